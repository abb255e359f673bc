/// `google.protobuf.Duration` as text: seconds with at most nine decimals and the unit `s`.
enum DurationText {
    enum Failure: Error {
        case noUnit, badStart, badNumber, outOfRange
    }

    /// Protobuf's limit: ten thousand years.
    static let secondsMax: Int64 = 315_576_000_000

    /// Envoy's: what a signed 64-bit integer holds in nanoseconds.
    static let secondsEnd: Int64 = 9_223_372_036

    static func parse(_ text: String) throws(Failure) -> (seconds: Int64, nanos: Int64) {
        guard text.hasSuffix("s"), !text.hasSuffix("ss") else { throw .noUnit }
        var digits = text.dropLast()
        let isNegative = digits.first == "-"
        if isNegative { digits = digits.dropFirst() }
        guard let first = digits.utf8.first, isDigit(first) else { throw digits.first == "." ? .badStart : .noUnit }
        let parts = digits.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first, parts.allSatisfy({ $0.utf8.allSatisfy(isDigit) }) else { throw .noUnit }
        guard let seconds = Int64(whole), seconds <= secondsMax else { throw .outOfRange }
        var nanos: Int64 = 0
        if parts.count > 1 {
            guard !parts[1].isEmpty, parts[1].utf8.count <= 9 else { throw .badNumber }
            let padded = parts[1] + String(repeating: "0", count: 9 - parts[1].utf8.count)
            nanos = Int64(padded) ?? 0
        }
        return isNegative ? (-seconds, -nanos) : (seconds, nanos)
    }

    /// Three, six or nine decimals, or none: protobuf's canonical form.
    static func render(_ seconds: Int64, _ nanos: Int64) -> String {
        let sign = seconds < 0 || nanos < 0 ? "-" : ""
        var fraction = String(nanos.magnitude)
        fraction = String(repeating: "0", count: max(0, 9 - fraction.utf8.count)) + fraction
        while fraction.hasSuffix("000") { fraction = String(fraction.dropLast(3)) }
        return sign + String(seconds.magnitude) + (fraction.isEmpty ? "" : "." + fraction) + "s"
    }

    /// For comparisons with a bound: both sides come through here, so equal durations stay equal.
    static func seconds(_ seconds: Int64, _ nanos: Int64) -> Double { Double(seconds) + Double(nanos) * 1e-9 }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}
