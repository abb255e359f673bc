import Stats

/// Envoy's default tags, each matched by hand: they are fixed, and a regular expression per statistic and scrape would
/// cost more than the rest of the output. Envoy's quirks are kept, because dashboards depend on them: names with dots
/// give their first word as the value and the rest to the family's name.
package enum DefaultTags {
    /// Tags that are looked for in any name.
    static func unbound(_ name: Span<UInt8>, _ scratch: inout TagScratch) {
        let end = name.count
        // `_rq_200`: the code goes, with its underscore.
        if name.hasBytes(at: end - 7, "_rq_"), (1...3).allSatisfy({ isDigit(name[end - $0]) }) {
            scratch.add(name, "response_code", removed: end - 4..<end, value: end - 3..<end)
        }
        // `_rq_2xx`: the digit goes, `_rq_xx` stays.
        if name.hasBytes(at: end - 7, "_rq_"), name.hasBytes(at: end - 2, "xx"), isDigit(name[end - 3]) {
            scratch.add(name, "response_code_class", removed: end - 3..<end - 2, value: end - 3..<end - 2)
        }
        guard scratch.wordCount >= 2 else { return }
        let first = scratch.word(0)
        let isListener = name.equals(first, "listener")
        if isListener, !name.equals(scratch.word(1), "admin") {
            worker(name, &scratch, word: lastWordOfAddress(name, scratch) + 1)
        } else if name.equals(first, "server") || name.equals(first, "listener_manager")
            || name.equals(first, "thread_local_cluster_manager")
        {
            worker(name, &scratch, word: 1)
        }
        if isListener || name.equals(first, "cluster") { tls(name, &scratch) }
        if scratch.wordCount >= 3, name.equals(scratch.word(1), "http_local_rate_limit") {
            scratch.add(name, "local_http_ratelimit_prefix", word: 0)
        }
    }

    /// Tags that are bound to a name's first word.
    static func bound(_ name: Span<UInt8>, _ scratch: inout TagScratch) {
        guard scratch.wordCount >= 2 else { return }
        let first = scratch.word(0)
        if name.equals(first, "cluster") {
            cluster(name, &scratch)
        } else if name.equals(first, "http") {
            http(name, &scratch)
        } else if name.equals(first, "listener") {
            listener(name, &scratch)
        } else if name.equals(first, "vhost") {
            virtualHost(name, &scratch)
        } else if name.equals(first, "proxy_proto") {
            proxyProtocol(name, &scratch)
        } else if let tag = simple(name, first) {
            oneWord(name, &scratch, tag)
        }
    }

    private static func cluster(_ name: Span<UInt8>, _ scratch: inout TagScratch) {
        if scratch.wordCount >= 5, name.equals(scratch.word(2), "grpc") {
            if scratch.wordCount >= 6 { scratch.add(name, "grpc_bridge_method", word: 4) }
            scratch.add(name, "grpc_bridge_service", word: 3)
        }
        if scratch.wordCount == 5, name.equals(scratch.word(2), "ssl"), name.equals(scratch.word(3), "ciphers") {
            // Under another name than a listener's, and without the `envoy.` of all others.
            rest(name, &scratch, "cipher_suite", from: 4, prefix: "")
        }
        if scratch.wordCount >= 6, name.equals(scratch.word(2), "health_check"), name.equals(scratch.word(3), "name") {
            let value = scratch.word(4)
            scratch.add(name, "health_check_name", removed: scratch.word(3).lowerBound - 1..<value.upperBound, value: value)
        }
        oneWord(name, &scratch, "cluster_name")
    }

    private static func http(_ name: Span<UInt8>, _ scratch: inout TagScratch) {
        if scratch.wordCount >= 5 {
            if name.equals(scratch.word(2), "user_agent") { scratch.add(name, "http_user_agent", word: 3) }
            if name.equals(scratch.word(2), "fault") { scratch.add(name, "fault_downstream_cluster", word: 3) }
        }
        // `http.<prefix>.rds.<route config>.<leaf>`: the route configuration may have dots.
        if scratch.wordCount >= 5, name.equals(scratch.word(2), "rds") {
            let value = scratch.word(3).lowerBound..<scratch.word(scratch.wordCount - 2).upperBound
            scratch.add(name, "rds_route_config", removed: value.lowerBound..<value.upperBound + 1, value: value)
        }
        oneWord(name, &scratch, "http_conn_manager_prefix")
    }

    private static func listener(_ name: Span<UInt8>, _ scratch: inout TagScratch) {
        // The admin listener's name is no address.
        let isAdmin = name.equals(scratch.word(1), "admin")
        let last = isAdmin ? 1 : lastWordOfAddress(name, scratch)
        let cipher = scratch.wordCount - 1
        if cipher >= 4, name.equals(scratch.word(cipher - 1), "ciphers"), name.equals(scratch.word(cipher - 2), "ssl") {
            rest(name, &scratch, "ssl_cipher", from: cipher)
        }
        var at = 2
        while at < scratch.wordCount - 2, !name.equals(scratch.word(at), "http") { at += 1 }
        if at < scratch.wordCount - 2 { scratch.add(name, "http_conn_manager_prefix", word: at + 1) }
        if !isAdmin, last + 1 < scratch.wordCount {
            let value = scratch.word(1).lowerBound..<scratch.word(last).upperBound
            scratch.add(name, "listener_address", removed: value.lowerBound..<value.upperBound + 1, value: value)
        }
    }

    /// `…ssl.curves.<curve>` and its like, `…ssl.certificate.<name>.<leaf>`, behind whatever name a listener or a cluster
    /// has.
    private static func tls(_ name: Span<UInt8>, _ scratch: inout TagScratch) {
        var at = 2
        while at < scratch.wordCount - 2 {
            let index = at + 1
            at += 1
            guard name.equals(scratch.word(index - 1), "ssl") else { continue }
            let word = scratch.word(index)
            let isLast = index + 2 == scratch.wordCount
            if name.equals(word, "curves"), isLast {
                return rest(name, &scratch, "ssl_curve", from: index + 1)
            } else if name.equals(word, "versions"), index + 3 == scratch.wordCount {
                // `TLSv1.3` has a dot.
                return rest(name, &scratch, "ssl_version", from: index + 1)
            } else if name.equals(word, "sigalgs"), isLast {
                return rest(name, &scratch, "ssl_sigalg", from: index + 1)
            } else if name.equals(word, "certificate"), scratch.wordCount > index + 2 {
                return scratch.add(name, "tls_certificate", word: index + 1)
            }
        }
    }

    /// `proxy_proto.[<prefix>.]versions.v<n>.<leaf>`, `proxy_proto.<prefix>.<leaf>`.
    private static func proxyProtocol(_ name: Span<UInt8>, _ scratch: inout TagScratch) {
        let count = scratch.wordCount
        let hasPrefix = count >= 3 && !name.equals(scratch.word(1), "versions")
        if hasPrefix { scratch.add(name, "proxy_protocol_prefix", word: 1) }
        let at = hasPrefix ? 2 : 1
        guard count == at + 3, name.equals(scratch.word(at), "versions") else { return }
        let version = scratch.word(at + 1)
        guard version.count == 2, name[version.lowerBound] == UInt8(ascii: "v"), isDigit(name[version.lowerBound + 1]) else { return }
        let removed = scratch.word(1).lowerBound..<version.upperBound + 1
        scratch.add(name, "proxy_protocol_version", removed: removed, value: version.lowerBound + 1..<version.upperBound)
    }

    private static func virtualHost(_ name: Span<UInt8>, _ scratch: inout TagScratch) {
        if scratch.wordCount >= 5, name.equals(scratch.word(2), "vcluster") {
            scratch.add(name, "virtual_cluster", word: 3)
        }
        oneWord(name, &scratch, "virtual_host")
        if scratch.wordCount >= 5, name.equals(scratch.word(2), "route") {
            scratch.add(name, "route", word: 3)
        }
    }

    /// `worker_<n>.`: the number goes with its dot, `worker_` stays.
    private static func worker(_ name: Span<UInt8>, _ scratch: inout TagScratch, word index: Int) {
        guard index < scratch.wordCount - 1 else { return }
        let word = scratch.word(index)
        let digits = word.lowerBound + 7..<max(word.lowerBound + 7, word.upperBound)
        guard name.hasBytes(at: word.lowerBound, "worker_"), !digits.isEmpty,
            digits.allSatisfy({ isDigit(name[$0]) })
        else { return }
        scratch.add(name, "worker_id", removed: digits.lowerBound..<digits.upperBound + 1, value: digits)
    }

    /// `<word>.<value>.<leaf>`.
    private static func oneWord(_ name: Span<UInt8>, _ scratch: inout TagScratch, _ tag: StaticString) {
        if scratch.wordCount >= 3 { scratch.add(name, tag, word: 1) }
    }

    /// Everything from word `index` goes, with the dot before it; the value may have dots (`TLSv1.3`).
    private static func rest(
        _ name: Span<UInt8>, _ scratch: inout TagScratch, _ tag: StaticString, from index: Int, prefix: StaticString = "envoy."
    ) {
        let value = scratch.word(index).lowerBound..<name.count
        scratch.add(name, tag, removed: value.lowerBound - 1..<value.upperBound, value: value, prefix: prefix)
    }

    private static func simple(_ name: Span<UInt8>, _ first: Range<Int>) -> StaticString? {
        if name.equals(first, "tcp") { return "tcp_prefix" }
        if name.equals(first, "udp") { return "udp_prefix" }
        if name.equals(first, "ratelimit") { return "ratelimit_prefix" }
        if name.equals(first, "local_rate_limit") { return "local_network_ratelimit_prefix" }
        if name.equals(first, "listener_local_ratelimit") { return "local_listener_ratelimit_prefix" }
        if name.equals(first, "connection_limit") { return "connection_limit_prefix" }
        if name.equals(first, "ext_authz") { return "ext_authz_prefix" }
        if name.equals(first, "dns_filter") { return "dns_filter_prefix" }
        if name.equals(first, "mongo") { return "mongo_prefix" }
        if name.equals(first, "redis") { return "redis_prefix" }
        if name.equals(first, "thrift") { return "thrift_prefix" }
        if name.equals(first, "sds") { return "xds_resource_name" }
        return nil
    }

    /// An IPv4 address with its port takes four words (`127.0.0.1_80`), everything else one.
    private static func lastWordOfAddress(_ name: Span<UInt8>, _ scratch: TagScratch) -> Int {
        guard scratch.wordCount >= 6 else { return 1 }
        for index in 1...3 {
            let word = scratch.word(index)
            guard (1...3).contains(word.count), word.allSatisfy({ isDigit(name[$0]) }) else { return 1 }
        }
        var at = scratch.word(4).lowerBound
        let end = scratch.word(4).upperBound
        let start = at
        while at < end, isDigit(name[at]) { at += 1 }
        guard at > start, at < end, name[at] == UInt8(ascii: "_") else { return 1 }
        at += 1
        let port = at
        while at < end, isDigit(name[at]) { at += 1 }
        return at == end && at > port ? 4 : 1
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }
}
