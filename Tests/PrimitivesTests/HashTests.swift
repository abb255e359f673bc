import Primitives
import Testing

@Suite struct HashTests {
    private func text(_ string: String) -> [UInt8] { Array(string.utf8) }

    /// The specification's own test values, and values of Envoy's library for inputs on each side of its loops.
    @Test(arguments: [
        ("", 0, 0xef46_db37_51d8_e999 as UInt64), ("a", 0, 0xd24e_c4f1_a98c_6e5b), ("abc", 0, 0x44bc_2cf5_ad77_0999),
        ("message digest", 0, 0x066e_d728_fcee_b3be), ("abcdefghijklmnopqrstuvwxyz", 0, 0xcfe1_f278_fa89_835c),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 0, 0xaaa4_6907_d304_7814),
        ("12345678901234567890123456789012345678901234567890123456789012345678901234567890", 0, 0xe04a_477f_19ee_145d),
    ])
    func xxHash(string: String, seed: UInt64, wanted: UInt64) {
        #expect(text(string).withBytes { XXHash64.hash($0, seed: seed) } == wanted)
    }

    @Test func seedsMatter() {
        text("abc").withBytes { #expect(XXHash64.hash($0, seed: 1) != XXHash64.hash($0)) }
    }

    @Test func everyLengthIsItsOwn() {
        var xx: Set<UInt64> = []
        var murmur: Set<UInt64> = []
        for count in 0...100 {
            [UInt8](repeating: 0x61, count: count).withBytes {
                xx.insert(XXHash64.hash($0))
                murmur.insert(MurmurHash2.hash($0))
            }
        }
        #expect(xx.count == 101)
        #expect(murmur.count == 101)
    }
}
