/// The prefixes of the scopes, with names from the configuration sanitised as Envoy does.
package enum StatPrefix {
    package static func cluster(_ name: String) -> String {
        "cluster." + sanitize(name) + "."
    }

    /// Zones are taken as they are, as in Envoy.
    package static func zone(_ cluster: String, from: String, to: String) -> String {
        self.cluster(cluster) + "zone." + from + "." + to + "."
    }

    /// `address` is the listener's `stat_prefix` or else its address as text: "127.0.0.1:80", "[::1]:80", a path.
    package static func listener(_ address: String) -> String {
        "listener." + sanitize(address) + "."
    }

    package static func listenerWorker(_ address: String, worker: Int) -> String {
        listener(address) + "worker_\(worker)."
    }

    package static func listenerHTTP(_ address: String, statPrefix: String) -> String {
        listener(address) + http(statPrefix)
    }

    package static func http(_ statPrefix: String) -> String {
        "http." + sanitize(statPrefix) + "."
    }

    package static func tcp(_ statPrefix: String) -> String {
        "tcp." + sanitize(statPrefix) + "."
    }

    package static func virtualCluster(_ virtualHost: String, _ name: String) -> String {
        "vhost." + sanitize(virtualHost) + ".vcluster." + sanitize(name) + "."
    }

    package static func route(_ virtualHost: String, statPrefix: String) -> String {
        "vhost." + sanitize(virtualHost) + ".route." + sanitize(statPrefix) + "."
    }

    /// "://", ":/" and ":" become "_", as does a NUL; one dot at the end goes, for the prefix brings its own.
    package static func sanitize(_ name: String) -> String {
        var bytes = Array(name.utf8)
        if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        var at = 0
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: ":"):
                out.append(UInt8(ascii: "_"))
                var slashes = 0
                while slashes < 2, at + 1 < bytes.count, bytes[at + 1] == UInt8(ascii: "/") {
                    slashes += 1
                    at += 1
                }
            case 0:
                out.append(UInt8(ascii: "_"))
            default:
                out.append(bytes[at])
            }
            at += 1
        }
        return String(decoding: out, as: UTF8.self)
    }
}
