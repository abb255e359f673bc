import Glibc
import Pipeline
import Testing

/// Times as strftime and absl::FormatTime write them; Envoy 1.40 was asked for each form.
@Suite struct TimeFormatTests {
    /// 29 February 2024, 13:07:09.012034 UTC, a Thursday.
    private static let leapDay: UInt64 = 1_709_212_029_012_034_000

    private func written(_ format: String, _ ns: UInt64 = TimeFormatTests.leapDay, operator name: String = "START_TIME") throws -> String {
        let bench = try FormatBench()
        bench.info.startWallNs = ns
        return try bench.writeTCP(format.isEmpty ? "%\(name)%" : "%\(name)(\(format))%")
    }

    @Test(arguments: [
        ("", "2024-02-29T13:07:09.012Z"), ("%Y/%m/%d", "2024/02/29"), ("%F %T", "2024-02-29 13:07:09"), ("%H.%M.%S", "13.07.09"),
        ("%s", "1709212029"), ("%3s", "1709212029"), ("%f", "012034000"), ("%3f", "012"), ("%9f", "012034000"), ("%1f", "0"),
        ("%E3S", "09.012"), ("%E0S", "09"), ("%E12S", "09.012034000000"), ("%E*S", "09.012034"), ("%E6f", "012034"), ("%E*f", "012034"),
        ("%E4Y", "2024"), ("%ET", "T"), ("%z", "+0000"), ("%Ez", "+00:00"), ("%E*z", "+00:00:00"), ("%:z", "+00:00"), ("%::z", "+00:00:00"),
        ("%Z", "UTC"), ("%j", "060"), ("%a %A %b %B", "Thu Thursday Feb February"), ("%u %w", "4 4"), ("%e|%k|%l|%I|%p", "29|13| 1|01|PM"),
        ("%y %C", "24 20"), ("%D %R", "02/29/24 13:07"), ("%-m", "2"), ("%_d", "29"), ("%Ey", "24"), ("%%Y", "%Y"), ("plain", "plain"),
        ("%", "%"), ("a%", "a%"), ("%1", "%1"), ("%:", "%:"), ("%E3", "%E3"), ("%é", "%é"),
    ])
    func writesAsEnvoyDoes(_ format: String, _ expected: String) throws {
        #expect(try written(format) == expected)
    }

    @Test(arguments: [
        (0, "%Y-%m-%d %H:%M:%S %j %a", "1970-01-01 00:00:00 001 Thu"), (946_684_799, "%F %T %j", "1999-12-31 23:59:59 365"),
        (951_868_800, "%F %j", "2000-03-01 061"), (1_735_603_200, "%F %j %u", "2024-12-31 366 2"), (4_107_542_400, "%F %j", "2100-03-01 060"),
        (253_402_300_800, "%Y", "10000"),
    ])
    func daysAreCounted(_ seconds: UInt64, _ format: String, _ expected: String) throws {
        guard seconds < 18_446_744_073 else {
            // Nanoseconds since 1970 end in 2554.
            return
        }
        #expect(try written(format, seconds * 1_000_000_000) == expected)
    }

    /// Date and time are put together once a second.
    @Test func theNextSecondIsAnother() throws {
        let bench = try FormatBench()
        let second: UInt64 = 1_000_000_000
        // The last of a day, some of it, the first of the next, and back.
        let times: [(UInt64, String)] = [
            (1_709_251_199 * second, "2024-02-29T23:59:59.000"), (1_709_251_199 * second + 999_999_999, "2024-02-29T23:59:59.999"),
            (1_709_251_200 * second + 1_000_000, "2024-03-01T00:00:00.001"), (1_709_251_199 * second + 12_345_678, "2024-02-29T23:59:59.012"),
        ]
        for (ns, expected) in times {
            bench.info.startWallNs = ns
            #expect(try bench.writeTCP("%START_TIME%") == expected + "Z")
            #expect(try bench.writeTCP("%START_TIME(%FT%T)%") == expected.prefix(19))
            #expect(try bench.writeTCP("%START_TIME(%Y-%m-%dT%H:%M:%E1S|)%") == expected.prefix(21) + "|")
            #expect(try bench.writeTCP("%START_TIME(%FT%H:%M:%E*S)%").hasPrefix(expected.prefix(19)))
            #expect(try bench.writeTCP("%START_TIME(%F %T)%") == expected.prefix(19).replacing("T", with: " "))
            let local = try bench.writeTCP("%START_TIME_LOCAL(%F)%T%START_TIME_LOCAL(%T)%")
            #expect(try bench.writeTCP("%START_TIME_LOCAL(%FT%T)% %START_TIME(%FT%T)%") == local + " " + expected.prefix(19))
        }
    }

    @Test func wholeSecondsHaveNoFractionToShow() throws {
        let whole = TimeFormatTests.leapDay / 1_000_000_000 * 1_000_000_000
        #expect(try written("%E*S", whole) == "09")
        #expect(try written("%E*f", whole) == "0")
    }

    @Test func localTimeIsThatOfTheMachine() throws {
        var time = time_t(TimeFormatTests.leapDay / 1_000_000_000)
        var local = unsafe tm()
        unsafe localtime_r(&time, &local)
        func text(_ format: String) -> String {
            var buffer = [CChar](repeating: 0, count: 64)
            let count = unsafe strftime(&buffer, 64, format, &local)
            return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        #expect(try written("%H:%M %z", operator: "START_TIME_LOCAL") == text("%H:%M %z"))
        #expect(try written("%Z", operator: "START_TIME_LOCAL") == text("%Z"))
        #expect(try written("", operator: "START_TIME_LOCAL") == text("%Y-%m-%dT%H:%M:%S.012%z"))
    }
}
