import Stats

/// Lines of StatsD and of what grew out of it.
package struct StatsdFormat: Sendable {
    package enum Family: Sendable {
        /// `envoy.cluster.up.upstream_rq_200:1|c`
        case plain
        /// `envoy.cluster.upstream_rq:1|c|#envoy.response_code:200,envoy.cluster_name:up`
        case dog
        /// `envoy.cluster.upstream_rq;envoy.response_code=200;envoy.cluster_name=up:1|c`
        case graphite
    }

    private let family: Family
    /// `scale_histogram_units_to_milliseconds`; else every sample is told as it is, whatever its unit.
    private let scalesToMilliseconds: Bool

    package init(_ family: Family, scalesToMilliseconds: Bool = false) {
        self.family = family
        self.scalesToMilliseconds = scalesToMilliseconds
    }

    package var hasTags: Bool { family != .plain }

    /// Appends the line, without an end.
    package func append(_ sample: borrowing SinkSample, prefix: [UInt8], to line: inout [UInt8]) {
        let start = line.count
        line += prefix
        line.append(UInt8(ascii: "."))
        line += hasTags ? sample.extracted : sample.name
        if family == .graphite {
            sample.forEachTag { name, value in
                line.append(UInt8(ascii: ";"))
                line += name
                line.append(UInt8(ascii: "="))
                line += value
            }
        }
        line.append(UInt8(ascii: ":"))
        switch sample.value {
        case .counter(let value): Self.append(value, "|c", &line)
        case .gauge(let value): Self.append(value, "|g", &line)
        case .timer(let value, let count):
            if scalesToMilliseconds, sample.unit == .microseconds {
                line += (DoubleText.percentG(Double(value) / 1000, precision: 6) + "|ms").utf8
            } else {
                Self.append(value, "|ms", &line)
            }
            // One line for all samples of a bin: each stands for so many.
            if count > 1 { line += "|@\(1 / Double(count))".utf8 }
        case .histogram: return line.removeSubrange(start...)
        }
        if family == .dog {
            var isFirst = true
            sample.forEachTag { name, value in
                line += (isFirst ? "|#" : ",").utf8
                isFirst = false
                line += name
                line.append(UInt8(ascii: ":"))
                line += value
            }
        }
        // Lines end with one: a name with one in it would be two.
        for at in start..<line.count where line[at] == UInt8(ascii: "\n") { line[at] = UInt8(ascii: "_") }
    }

    private static func append(_ value: UInt64, _ kind: StaticString, _ line: inout [UInt8]) {
        line += "\(value)\(kind)".utf8
    }
}
