import Pipeline
import Primitives
import Testing

@Suite struct PartsFromRightTests {
    @Test(arguments: [
        ("", [""]), (",", ["", ""]), ("a", ["a"]), (",a", ["a", ""]), ("a,", ["", "a"]), (" \t", [""]), (" a ,\tb b , ", ["", "b b", "a"]),
        ("10.0.0.1, ::1,x", ["x", "::1", "10.0.0.1"]),
    ])
    func whatStandsBetweenCommas(_ text: String, _ expected: [String]) {
        unsafe Array(text.utf8 + [0]).withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            var parts = unsafe PartsFromRight(Bytes(base, buffer.count - 1))
            for (index, part) in expected.enumerated() {
                #expect(!parts.isAtEnd)
                #expect(parts.next().map { String($0) } == part)
                #expect(parts.isAtEnd == (index == expected.count - 1))
            }
            #expect(parts.next() == nil)
        }
    }
}
