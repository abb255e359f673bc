// What a route makes of a request: where it goes and with which path and host, or how it is answered.

import EnvoyAPI
import Pipeline
import Primitives
import Routing
import Wire

@safe
struct RouteOutcome {
    let clusters: [LiveCluster]
    private let http: UnsafePointer<HTTPConfig>
    private let route: UnsafePointer<RouteConfig>
    private let message: RouteMessage
    private let matchedCount: UInt32?
    private let random: UInt64

    init(
        clusters: [LiveCluster], http: UnsafePointer<HTTPConfig>, route: UnsafePointer<RouteConfig>, message: RouteMessage,
        matchedCount: UInt32?, random: UInt64
    ) {
        self.clusters = clusters
        unsafe self.http = unsafe http
        unsafe self.route = unsafe route
        self.message = message
        self.matchedCount = matchedCount
        self.random = random
    }

    func explain(_ head: inout MessageHead, _ steps: inout Steps) {
        switch unsafe route.pointee.action {
        case .forward: forward(&head, &steps)
        case .redirect: redirect(&head, &steps)
        case .directResponse:
            let status = unsafe Int(route.pointee.directStatus)
            let body = unsafe String(route.pointee.directBody.prefix(200))
            if !body.isEmpty { steps.add("body", .text(body)) }
            steps.end("direct_response", "the route answers by itself", status: status)
        case .none: steps.end("none", "the route does nothing")
        }
    }

    // MARK: Forwarding

    private func forward(_ head: inout MessageHead, _ steps: inout Steps) {
        let name: String
        switch unsafe route.pointee.clusterChoice {
        case .single:
            name = unsafe route.pointee.clusters.isEmpty ? "" : String(route.pointee.clusters[0].name)
        case .header:
            let header = unsafe String(route.pointee.clusterHeader)
            guard let value = unsafe head.value(named: route.pointee.clusterHeader) else {
                let status = unsafe Int(route.pointee.clusterNotFoundStatus)
                steps.end("cluster_not_found", "cluster_header: the request has no \(header)", status: status, flags: "NC")
                return
            }
            name = String(value)
        case .weighted: name = weighted(&steps)
        }
        let original = String(head.text(head.path))
        // The path is rewritten behind the host, which may be made from it.
        let host = rewrittenHost(head)
        rewritePath(&head)
        forwardedWith(head, original, host, &steps)
        let cluster = ClusterExplanation.describe(name, clusters)
        steps.add("cluster", cluster)
        guard cluster.at("exists")?.scalar == "true" else {
            let status = unsafe Int(route.pointee.clusterNotFoundStatus)
            steps.end("cluster_not_found", "there is no cluster '\(name)'", status: status, flags: "NC")
            return
        }
        // A cluster of the connections' own addresses has none before they come.
        if cluster.at("host_count")?.scalar == "0", cluster.at("type")?.scalar != "ORIGINAL_DST" {
            steps.end("no_healthy_upstream", "cluster '\(name)' has no host", status: 503, flags: "UH")
            return
        }
        steps.end("forward", "a host of cluster '\(name)' is chosen")
    }

    /// The shares, and the one that the random value draws.
    private func weighted(_ steps: inout Steps) -> String {
        let entries = unsafe route.pointee.clusters
        let total = entries.isEmpty ? 0 : entries[entries.count - 1].cumulativeWeight
        guard total > 0 else { return "" }
        var shares: [Explained] = []
        var drawn = ""
        for i in 0..<entries.count {
            let entry = entries[i]
            let name = String(entry.name)
            if drawn.isEmpty, random % total < entry.cumulativeWeight { drawn = name }
            let percent = Double(entry.weight * 1000 / total) / 10
            shares.append(.object([.init("name", .text(name)), .init("share", .text("\(percent) %"))]))
        }
        steps.add("weighted_clusters", .list(shares))
        return drawn
    }

    private func rewritePath(_ head: inout MessageHead) {
        if let prefix = unsafe route.pointee.prefixRewrite {
            _ = PathRewrite.prefix(&head, matchedCount: matchedCount, by: prefix)
        } else if let rewrite = unsafe route.pointee.regexRewrite {
            _ = unsafe PathRewrite.regex(&head, rewrite.pointee)
        }
    }

    /// Nil: the request's own.
    private func rewrittenHost(_ head: MessageHead) -> String? {
        switch unsafe route.pointee.hostRewrite {
        case .none: return nil
        case .literal: return unsafe String(route.pointee.hostRewriteText)
        case .auto: return "the chosen host's name"
        case .header: return unsafe head.value(named: route.pointee.hostRewriteText).map { String($0) }
        case .pathRegex:
            guard let rewrite = unsafe route.pointee.hostRewriteRegex else { return nil }
            let host = unsafe rewrite.pointee.replaceAll(RequestPath.withoutQuery(head.text(head.path)))
            return host.isEmpty ? nil : String(host)
        case .format: return "what host_rewrite makes: \(message.route.hostRewrite)"
        }
    }

    private func forwardedWith(_ head: MessageHead, _ original: String, _ host: String?, _ steps: inout Steps) {
        var members: Explained.Members = []
        let path = String(head.text(head.path))
        if path != original { members.append(.init("path", .text(path))) }
        if unsafe route.pointee.pathFormat != nil { members.append(.init("path", .text("what path_rewrite makes: \(message.route.pathRewrite)"))) }
        if let host { members.append(.init("host", .text(host))) }
        let timeout = unsafe route.pointee.timeoutMs
        members.append(.init("timeout", .text(timeout == 0 ? "none" : "\(timeout) ms")))
        if unsafe route.pointee.retry != nil {
            members.append(.init("retry_on", .text(message.route.retryPolicy.retryOn)))
        }
        if unsafe !route.pointee.mirrors.isEmpty {
            members.append(.init("mirrored_to", .text(message.route.requestMirrorPolicies.map(\.cluster).joined(separator: ", "))))
        }
        steps.add("forwarded_with", .object(members))
    }

    // MARK: Redirects

    private func redirect(_ head: inout MessageHead, _ steps: inout Steps) {
        guard let redirect = unsafe route.pointee.redirect else { return steps.end("none", "the route does nothing") }
        if let prefix = unsafe redirect.pointee.prefixRewrite {
            _ = PathRewrite.prefix(&head, matchedCount: matchedCount, by: prefix)
        } else if let rewrite = unsafe redirect.pointee.regexRewrite {
            _ = unsafe PathRewrite.regex(&head, rewrite.pointee)
        }
        if unsafe redirect.pointee.pathFormat != nil {
            steps.add("path", .text("what path_rewrite makes: \(message.redirect.pathRewrite)"))
            steps.end("redirect", "the route redirects", status: unsafe Int(redirect.pointee.status))
            return
        }
        // There is one: `HTTPExplanation.prepare`.
        let proto = head.value(of: .xForwardedProto) ?? .empty
        let pool = BlockPool()
        defer { pool.destroy() }
        guard var response = MessageHead(pool: pool) else { return steps.end("invalid_request", "no memory") }
        defer { response.destroy() }
        let location = unsafe RedirectLocation.build(
            redirect.pointee.parts, request: head, scheme: proto, forwardedProto: proto, into: &response)
        steps.add("location", .text(String(response.text(location))))
        steps.end("redirect", "the route redirects", status: unsafe Int(redirect.pointee.status))
    }
}
