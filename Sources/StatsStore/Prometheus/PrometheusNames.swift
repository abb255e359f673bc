import Stats

/// Names and labels as Prometheus writes them.
enum PrometheusNames {
    /// `envoy_cluster_upstream_rq`, with every odd byte as `_`.
    static func family(_ extracted: [UInt8]) -> [UInt8] {
        Array("envoy_".utf8) + extracted.map(name)
    }

    /// `envoy_cluster_name="up",…`
    static func labels(_ scratch: TagScratch, into labels: inout [UInt8]) {
        for tag in scratch.tags {
            append(scratch.store[tag.name], scratch.store[tag.value], to: &labels)
        }
    }

    static func append(_ tag: some Sequence<UInt8>, _ value: some Sequence<UInt8>, to labels: inout [UInt8]) {
        if !labels.isEmpty { labels.append(UInt8(ascii: ",")) }
        for byte in tag { labels.append(name(byte)) }
        labels.append(UInt8(ascii: "="))
        labels.append(UInt8(ascii: "\""))
        for byte in value {
            switch byte {
            case UInt8(ascii: "\\"): labels += [UInt8(ascii: "\\"), UInt8(ascii: "\\")]
            case UInt8(ascii: "\""): labels += [UInt8(ascii: "\\"), UInt8(ascii: "\"")]
            case UInt8(ascii: "\n"): labels += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            default: labels.append(byte)
            }
        }
        labels.append(UInt8(ascii: "\""))
    }

    /// The labels' names and values, these without their escapes.
    static func forEach(_ labels: ArraySlice<UInt8>, _ body: (_ name: ArraySlice<UInt8>, _ value: [UInt8]) -> Void) {
        var at = labels.startIndex
        while at < labels.endIndex {
            guard let mark = labels[at...].firstIndex(of: UInt8(ascii: "=")) else { return }
            let name = labels[at..<mark]
            var value: [UInt8] = []
            at = mark + 2
            while at < labels.endIndex, labels[at] != UInt8(ascii: "\"") {
                if labels[at] == UInt8(ascii: "\\"), at + 1 < labels.endIndex {
                    at += 1
                    value.append(labels[at] == UInt8(ascii: "n") ? UInt8(ascii: "\n") : labels[at])
                } else {
                    value.append(labels[at])
                }
                at += 1
            }
            body(name, value)
            at += 2
        }
    }

    /// Letters, digits and `_` stay.
    static func name(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            byte
        default: UInt8(ascii: "_")
        }
    }
}
