import Testing

import Pipeline

struct UUIDTextTests {
    private func text(_ a: UInt64, _ b: UInt64) -> String {
        var bytes = [UInt8](repeating: 0, count: 36)
        unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            if let base = buffer.baseAddress { unsafe UUIDText.write(a, b, base) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func everyDigitInItsPlace() {
        #expect(text(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210) == "01234567-89ab-4def-bedc-ba9876543210")
        #expect(text(0, 0) == "00000000-0000-4000-8000-000000000000")
        #expect(text(.max, .max) == "ffffffff-ffff-4fff-bfff-ffffffffffff")
    }

    @Test func anyDigitsAreThoseOfTheNumber() {
        var value: UInt64 = 0x9e37_79b9_7f4a_7c15
        for _ in 0..<10_000 {
            value = value &* 0x5851_f42d_4c95_7f2d &+ 0x1405_7b7e_f767_814f
            let number = UInt32(truncatingIfNeeded: value >> 29)
            var digits = UUIDText.digits(number)
            let text = unsafe withUnsafeBytes(of: &digits) { unsafe String(decoding: $0, as: UTF8.self) }
            let hex = String(number, radix: 16)
            #expect(text == String(repeating: "0", count: 8 - hex.count) + hex)
        }
    }
}
