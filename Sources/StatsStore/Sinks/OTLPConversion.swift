// Statistics that OpenTelemetry is told of under names of the configuration's own: several may become one metric, and those that
// differ in nothing one point. They are gathered during a flush and sent at its end.

import Stats

/// What is made of a statistic.
package enum OTLPConversion {
    /// Whole name, and attributes beside the tags.
    case rename([UInt8], labels: [(key: [UInt8], value: [UInt8])])
    case drop
}

/// One point of one metric.
package struct OTLPPoint {
    package enum Value {
        case sum(UInt64), gauge(UInt64)
        case histogram(HistogramStatistics, bounds: [Double])

        fileprivate var kind: UInt8 {
            switch self {
            case .sum: 0
            case .gauge: 1
            case .histogram: 2
            }
        }
    }

    var name: [UInt8]
    var attributes: [(key: [UInt8], value: [UInt8])]
    var value: Value

    /// As many bytes as it has parts, so that no two are alike by chance.
    fileprivate var identity: [UInt8] {
        var bytes = [value.kind]
        for part in [name] + attributes.flatMap({ [$0.key, $0.value] }) {
            bytes.appendLittleEndian(UInt64(part.count))
            bytes += part
        }
        return bytes
    }
}

package struct OTLPGathered {
    private var places: [[UInt8]: Int] = [:]
    package private(set) var points: [OTLPPoint] = []

    package init() {}

    mutating func add(_ point: OTLPPoint) {
        let identity = point.identity
        guard let place = places[identity] else {
            places[identity] = points.count
            return points.append(point)
        }
        switch (points[place].value, point.value) {
        case (.sum(let a), .sum(let b)): points[place].value = .sum(a &+ b)
        case (.gauge(let a), .gauge(let b)): points[place].value = .gauge(a &+ b)
        case (.histogram(let a, let bounds), .histogram(let b, _)): points[place].value = .histogram(a.merged(b), bounds: bounds)
        default: break
        }
    }

    package mutating func removeAll() {
        places.removeAll(keepingCapacity: true)
        points.removeAll(keepingCapacity: true)
    }
}

extension HistogramStatistics {
    /// The samples of both.
    func merged(_ other: HistogramStatistics) -> HistogramStatistics {
        var result: [BinCount] = []
        result.reserveCapacity(bins.count + other.bins.count)
        var (i, k) = (0, 0)
        while i < bins.count || k < other.bins.count {
            if k == other.bins.count || i < bins.count && bins[i].bin < other.bins[k].bin {
                result.append(bins[i])
                i += 1
            } else if i == bins.count || other.bins[k].bin < bins[i].bin {
                result.append(other.bins[k])
                k += 1
            } else {
                result.append(BinCount(bin: bins[i].bin, count: bins[i].count &+ other.bins[k].count))
                i += 1
                k += 1
            }
        }
        return HistogramStatistics(bins: result)
    }
}
