// From a request to a response: allowed paths, the command table, methods, the help in every 404.

import Control

package final class AdminHandler {
    let context: AdminContext
    private let allowedPaths: StringMatchers
    private let commands: [String: AdminCommand]
    /// What changing commands ask for. Nil: nothing.
    private let token: [UInt8]?
    /// The second address: statistics and `/ready`, nothing else.
    private let onlyMetrics: Bool
    private static let metricsPaths: Set<String> = ["/stats", "/stats/prometheus", "/ready"]

    package init(
        _ context: AdminContext, allowedPaths: StringMatchers = StringMatchers(), token: [UInt8]? = nil,
        onlyMetrics: Bool = false
    ) {
        self.context = context
        self.allowedPaths = allowedPaths
        self.token = token
        self.onlyMetrics = onlyMetrics
        commands = Dictionary((CommandTable.commands + CommandTable.own).map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
    }

    package func answer(_ request: AdminRequest) -> AdminResponse {
        if !allowedPaths.isEmpty, !allowedPaths.matches(request.pathAndQuery) {
            return AdminResponse("request to path \(request.pathAndQuery) not allowed", status: 403)
        }
        if onlyMetrics, !AdminHandler.metricsPaths.contains(request.path) {
            return AdminResponse("this address serves /stats, /stats/prometheus and /ready\n", status: 404)
        }
        if onlyMetrics, request.method != "GET", request.method != "HEAD" {
            return AdminResponse("Method \(request.method) not allowed, GET required.", status: 405)
        }
        guard let command = commands[request.path] else {
            return CommandTable.unknown
        }
        if command.mutates, request.method != "POST" {
            context.server.log.write(
                .error, "admin",
                "admin path \"\(request.path)\" mutates state, method=\(request.method) rather than POST")
            return AdminResponse("Method \(request.method) not allowed, POST required.", status: 405)
        }
        if command.mutates || command.startsWork(request), let refusal = refusal(request) { return refusal }
        context.server.log.write(.debug, "admin", "request complete: path: \(request.pathAndQuery)")
        return command.answer(context, request)
    }

    /// Why a request that changes something is not done.
    private func refusal(_ request: AdminRequest) -> AdminResponse? {
        if request.method != "POST", request.callsItselfBrowser {
            return AdminResponse("\(request.path): a browser asks for this by POST, as the page /profile does.\n", status: 403)
        }
        if request.isFromAnotherSite {
            let origin = request.origin.isEmpty ? "another site" : request.origin
            return AdminResponse("\(request.path) is not done for pages of \(origin).", status: 403)
        }
        if let token {
            return request.carries(token)
                ? nil : .unauthorized("\(request.path) needs the token: authorization: Bearer <token>\n")
        }
        // Whoever owns a name can let it lead here, and their page is then of the same site.
        if request.isOfBrowser, request.asksByName {
            return AdminResponse(
                "\(request.path) is not done for a browser that asks by the name \(request.host): use the IP address or localhost, or --admin-token-file.\n",
                status: 403)
        }
        return nil
    }
}
