import Extensions
import Primitives
import Testing

@Suite struct HitsTextTests {
    private func number(_ text: String) -> Double? {
        var text = text
        return text.withUTF8 { utf8 in
            guard let base = utf8.baseAddress else { return HitsText.number(.empty) }
            return unsafe HitsText.number(Bytes(base, utf8.count))
        }
    }

    @Test(arguments: [
        ("0", 0), ("1", 1), ("007", 7), ("2.9", 2), (".5", 0), ("5.", 5), ("1e1", 10), ("1E+2", 100), ("25e-1", 2), ("1000000000", 1e9), ("+3", 3),
        ("-0", 0), ("1e-400", 0),
    ]) func numbers(text: String, value: Double) {
        #expect(number(text) == value)
    }

    @Test(arguments: [
        "", "-", "abc", "-1", "1000000001", "1e10", "1e999999999999999999999999", "0e999", "inf", "nan", "0x10", "1 ", "1e", "1e+", ".", "1,5", "1.2.3", "1e1e1",
        String(repeating: "9", count: 400),
    ]) func noNumbers(text: String) {
        #expect(number(text) == nil)
    }
}
