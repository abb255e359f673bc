import Primitives
import Testing
import Wire

/// RFC 4648 §10's vectors, in one piece and in any two.
@Suite struct Base64StreamTests {
    private static let vectors = [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ]

    private func encode(_ parts: [[UInt8]]) -> String {
        var encoder = Base64Encoder()
        var text: [UInt8] = []
        let room = UnsafeMutablePointer<UInt8>.allocate(capacity: 64)
        defer { unsafe room.deallocate() }
        func take(_ count: Int) { for i in 0..<count { unsafe text.append(room[i]) } }
        for part in parts { take(part.withBytes { unsafe encoder.encode($0, into: room) }) }
        unsafe take(encoder.finish(into: room))
        return String(decoding: text, as: UTF8.self)
    }

    private func decode(_ parts: [[UInt8]]) -> (text: String, openCount: Int)? {
        var decoder = Base64Decoder()
        var text: [UInt8] = []
        let room = UnsafeMutablePointer<UInt8>.allocate(capacity: 64)
        defer { unsafe room.deallocate() }
        for part in parts {
            decoder.begin()
            guard let count = part.withBytes({ unsafe decoder.decode($0, into: room) }) else { return nil }
            for i in 0..<count { unsafe text.append(room[i]) }
        }
        return (String(decoding: text, as: UTF8.self), decoder.openCount)
    }

    @Test(arguments: vectors) func encodes(plain: String, coded: String) {
        let bytes = Array(plain.utf8)
        for split in 0...bytes.count { #expect(encode([Array(bytes[..<split]), Array(bytes[split...])]) == coded) }
    }

    @Test(arguments: vectors) func decodes(plain: String, coded: String) {
        let bytes = Array(coded.utf8)
        for split in 0...bytes.count {
            let found = decode([Array(bytes[..<split]), Array(bytes[split...])])
            #expect(found?.text == plain && found?.openCount == 0)
        }
    }

    @Test(arguments: ["Z=", "=", "Zg=a", "Zg==Zg==", "Zh==", "Zm9=", "Z*==", "Zg-_", "Z g="]) func refuses(coded: String) {
        #expect(decode([Array(coded.utf8)]) == nil)
    }

    /// What comes in a further piece is a text of its own.
    @Test func aPaddedGroupMayEndAPiece() {
        #expect(decode([Array("Zg==".utf8), Array("Zm8=".utf8)])?.text == "ffo")
    }

    @Test func anOpenGroupIsSeen() { #expect(decode([Array("Zm9vY".utf8)])?.openCount == 1) }
}
