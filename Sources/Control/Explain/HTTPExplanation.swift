// The part of an explanation behind the connection manager: the head as routes see it, virtual host, route, and what the
// route makes of the request.

import EnvoyAPI
import Pipeline
import Primitives
import Routing
import Wire

@safe
struct HTTPExplanation {
    let clusters: [LiveCluster]
    private let http: UnsafePointer<HTTPConfig>
    private let manager: ConnectionManager
    private let request: DescribedRequest
    private let localPort: UInt16

    init(
        clusters: [LiveCluster], http: UnsafePointer<HTTPConfig>, manager: ConnectionManager, request: DescribedRequest,
        localPort: UInt16
    ) {
        self.clusters = clusters
        unsafe self.http = unsafe http
        self.manager = manager
        self.request = request
        self.localPort = localPort
    }

    func explain(_ steps: inout Steps) {
        let pool = BlockPool()
        defer { pool.destroy() }
        guard var head = MessageHead(pool: pool) else { return steps.end("invalid_request", "no memory") }
        defer { head.destroy() }
        guard decode(&head, &steps), prepare(&head, &steps) else { return }
        let context = context(head)
        let table = unsafe http.pointee.routes
        let result = unsafe table.pointee.table.match(head, context)
        if result.outcome == .noVirtualHost {
            let domains = manager.routeConfig.virtualHosts.flatMap { host in host.domains.map { "\(host.name): \($0)" } }
            steps.add("domains", .list(domains.prefix(RouteExplainer.listedMax).map { .text($0) }))
            steps.end("no_virtual_host", hostHint(head), status: 404, flags: "NR")
            return
        }
        let host = manager.routeConfig.virtualHosts[Int(result.virtualHostIndex)]
        steps.add("virtual_host", virtualHost(host, head))
        if result.outcome == .tlsRequired {
            steps.end("tls_required", "require_tls of virtual host '\(host.name)': the client is sent to https", status: 301)
            return
        }
        let found = result.outcome == .route ? Int(result.routeIndex) : nil
        let reasons = MatchReasons(head: head, context: context)
        let passed = host.routes.prefix(found ?? host.routes.count).enumerated().prefix(RouteExplainer.listedMax)
        let others = passed.map { index, route in
            Explained.object([
                .init("name", .text(route.shownName(index))), .init("why", .text(reasons.whyNot(route.match))),
            ])
        }
        guard let found else {
            steps.add("routes_not_taken", .list(others))
            steps.end("no_route", "no route of virtual host '\(host.name)' matches", status: 404, flags: "NR")
            return
        }
        var members: Explained.Members = [
            .init("name", .text(host.routes[found].shownName(found))), .init("index", .number(found)),
            .init("match", .text(MatchReasons.described(host.routes[found].match))),
        ]
        if !others.isEmpty { members.append(.init("not_taken", .list(others))) }
        let left = found - others.count
        if left > 0 { members.append(.init("not_taken_left_out", .number(left))) }
        steps.add("route", .object(members))
        unsafe RouteOutcome(
            clusters: clusters, http: http, route: table.pointee.routes.pointer(Int(result.flatIndex)),
            message: host.routes[found], matchedCount: result.matchedPathCount, random: request.random
        ).explain(&head, &steps)
    }

    // MARK: The head

    private func decode(_ head: inout MessageHead, _ steps: inout Steps) -> Bool {
        var text = "\(request.method.isEmpty ? "GET" : request.method) "
        let path = request.path.isEmpty ? "/" : request.path
        text += request.method == "CONNECT" ? request.authority : path
        text += " HTTP/1.1\r\nhost: \(request.authority)\r\n"
        for header in request.headers { text += "\(header.name): \(header.value)\r\n" }
        text += "\r\n"
        var options = unsafe http.pointee.decoder
        options.maxHeadBytes = max(options.maxHeadBytes, 96 << 10)
        var decoder = H1RequestDecoder(options: options)
        let event = text.withBytes { bytes in
            var cursor = 0
            return decoder.next(bytes, &cursor, head: &head)
        }
        switch event {
        case .head: return true
        case .failed(let error):
            steps.end("refused", "the codec refuses it: \(error.details)", status: Int(error.status), flags: "DPE")
        default: steps.end("invalid_request", "not a request")
        }
        return false
    }

    /// As the connection manager does before it looks for a route.
    private func prepare(_ head: inout MessageHead, _ steps: inout Steps) -> Bool {
        let before = String(head.text(head.path))
        if head.method != .connect {
            let path = head.text(head.path)
            if !path.isEmpty, path[0] != UInt8(ascii: "/") {
                steps.end("refused", "absolute_path_rejected", status: 404)
                return false
            }
        }
        unsafe HeadNormalizer.host(http, &head, localPort: localPort)
        switch unsafe HeadNormalizer.path(http, &head) {
        case .unchanged: break
        case .changed: steps.add("normalized_path", .text("\(before) → \(String(head.text(head.path)))"))
        case .rejected:
            steps.end("refused", "path_normalization_failed", status: 400)
            return false
        case .redirect where head.value(of: .contentType).map { GRPCContent.isGRPC($0) } ?? false:
            // A client of gRPC follows none.
            steps.end("refused", "path_normalization_failed", status: 400)
            return false
        case .redirect:
            steps.add("location", .text(String(head.text(head.path))))
            steps.end("redirect", "path_with_escaped_slashes_action: unescaped slashes are asked for again", status: 307)
            return false
        }
        if head.value(of: .xForwardedProto) == nil {
            head.append(.xForwardedProto, Bytes(request.isByTLS ? "https" : "http" as StaticString))
        }
        return true
    }

    private func context(_ head: MessageHead) -> MatchContext {
        var context = MatchContext(random: request.random)
        if let proto = head.value(of: .xForwardedProto), proto.equalsIgnoringCase(Bytes("https" as StaticString)) {
            context.flags.insert(.forwardedHTTPS)
        }
        if request.clientCertificate { context.flags.formUnion([.certificatePresented, .certificateValidated]) }
        return context
    }

    // MARK: The virtual host

    private func virtualHost(_ host: VirtualHostMessage, _ head: MessageHead) -> Explained {
        .object([
            .init("name", .text(host.name)),
            .init("domains", .text(host.domains.prefix(10).joined(separator: ", "))),
            .init("host", .text(String(head.text(head.authority)))),
        ])
    }

    private func hostHint(_ head: MessageHead) -> String {
        let host = String(head.text(head.authority))
        let bare = String(HostName.withoutPort(head.text(head.authority)))
        let sentence = "no virtual host has a domain for '\(host)'"
        let isKnown = manager.routeConfig.virtualHosts.contains { $0.domains.contains { $0.lowercased() == bare.lowercased() } }
        guard bare != host, isKnown else { return sentence }
        return sentence + "; '\(bare)' is one: ignore_port_in_host_matching, strip_any_host_port or a domain with the port would help"
    }
}

extension RouteMessage {
    func shownName(_ index: Int) -> String { name.isEmpty ? "routes[\(index)]" : name }
}
