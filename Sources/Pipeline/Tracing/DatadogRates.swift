// Which share of traces Datadog's agent wants to be kept: it says so in its answers, `{"rate_by_service": {…}}`, by service
// and environment. One per worker and exporter; an answer that cannot be read changes nothing.

import Primitives

package struct DatadogRates: BitwiseCopyable {
    /// An agent has said something.
    package private(set) var isKnown = false
    package private(set) var rate = 1.0

    package init() {}

    /// The rate of all that the agent does not name.
    private static let standard: StaticString = "service:,env:"

    /// `service`: our own name.
    package mutating func received(_ answer: Bytes, service: Bytes) {
        let marker = Bytes("\"rate_by_service\"" as StaticString)
        guard let found = answer.firstIndex(of: marker) else { return }
        var at = found + marker.count
        guard let open = answer.firstIndex(of: UInt8(ascii: "{"), from: at) else { return }
        at = open + 1
        var own: Double?
        var standard: Double?
        while at < answer.count, let quote = answer.firstIndex(of: UInt8(ascii: "\""), from: at) {
            // The map ends before the next name.
            if let end = answer.firstIndex(of: UInt8(ascii: "}"), from: at), end < quote { break }
            guard let close = answer.firstIndex(of: UInt8(ascii: "\""), from: quote + 1),
                let colon = answer.firstIndex(of: UInt8(ascii: ":"), from: close)
            else { return }
            let name = answer.part(quote + 1, close)
            var end = colon + 1
            while end < answer.count, answer[end] != UInt8(ascii: ","), answer[end] != UInt8(ascii: "}") { end += 1 }
            let number = Double(String(answer.part(colon + 1, end).trimmed))
            at = end
            guard let number, number >= 0, number <= 1 else { continue }
            if name.equals(Bytes(DatadogRates.standard)) { standard = number }
            if DatadogRates.isOwn(name, service) { own = number }
        }
        guard let rate = own ?? standard else { return }
        isKnown = true
        self.rate = rate
    }

    /// `service:<ours>,env:`; we have no environment.
    private static func isOwn(_ name: Bytes, _ service: Bytes) -> Bool {
        let (before, behind) = (Bytes("service:" as StaticString), Bytes(",env:" as StaticString))
        return name.count == before.count + service.count + behind.count && name.hasPrefix(before) && name.hasSuffix(behind)
            && name.part(before.count, before.count + service.count).equals(service)
    }

    /// Six significant digits, without the zeros behind.
    package func write(_ out: inout TextBuffer) {
        var digits = 6
        var share = rate
        while share > 0, share < 0.1, digits < 12 {
            share *= 10
            digits += 1
        }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        guard var number = UInt64(exactly: (rate * scale).rounded()) else { return }
        while digits > 0, number % 10 == 0 {
            number /= 10
            digits -= 1
        }
        var unit: UInt64 = 1
        for _ in 0..<digits { unit &*= 10 }
        out.put(decimal: number / unit)
        guard digits > 0 else { return }
        out.put(UInt8(ascii: "."))
        out.put(decimal: number % unit, width: digits)
    }
}
