// What was asked for: the request as commands see it.

import Primitives

package struct AdminRequest {
    package var method: String
    /// Without query, duplicate slashes merged.
    package var path: String
    package var pathAndQuery: String
    package var query: QueryParameters
    package var body: [UInt8]
    /// `accept`, all of it.
    package var accept = ""
    /// The authority that was asked, with its port.
    package var host = ""
    package var origin = ""
    package var ifNoneMatch = ""
    package var authorization = ""
    /// `sec-fetch-site`: what a browser says of who asks.
    package var fetchSite = ""
    package var userAgent = ""

    /// `target`: path and query as the client sent them. `contentType`: of the body.
    package init(method: String, target: String, contentType: String = "", body: [UInt8] = []) {
        self.method = method
        self.body = body
        let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
        path = AdminRequest.mergingSlashes(target[..<mark])
        pathAndQuery = path + target[mark...]
        query = QueryParameters(target[mark...].dropFirst())
        // Parameters may come as a form, when the query has none; as in Envoy statistics are asked by the query alone.
        if query.isEmpty, path != "/stats", path != "/stats/prometheus", contentType == "application/x-www-form-urlencoded" {
            query = QueryParameters(String(decoding: body, as: UTF8.self)[...])
        }
    }

    /// A browser sends it for a page of another site. Clients that are no browsers send no `origin`.
    package var isFromAnotherSite: Bool {
        if fetchSite == "cross-site" || fetchSite == "same-site" { return true }
        if origin.isEmpty { return false }
        // `null` is a page that does not say where it is from.
        guard let scheme = ["http://", "https://"].first(where: { origin.hasPrefix($0) }) else { return true }
        return origin.dropFirst(scheme.count) != host
    }

    /// A browser's GET says nothing else of where it is from, over plain HTTP.
    var callsItselfBrowser: Bool { userAgent.hasPrefix("Mozilla/") }

    /// Browsers say where a page is from when it changes something.
    var isOfBrowser: Bool { !origin.isEmpty || !fetchSite.isEmpty }

    /// The authority is neither an IP address nor `localhost`.
    var asksByName: Bool {
        let name: Substring
        if host.hasPrefix("[") {
            name = host.dropFirst().prefix { $0 != "]" }
        } else {
            name = host.prefix { $0 != ":" }
        }
        if name.isEmpty || SocketAddress(ip: String(name), port: 0) != nil { return false }
        return name.lowercased() != "localhost" && !name.lowercased().hasSuffix(".localhost")
    }

    /// RFC 6750 §2.1. As many steps for a wrong token as for the right one.
    func carries(_ token: [UInt8]) -> Bool {
        let scheme = "bearer "
        guard authorization.count >= scheme.count, authorization.prefix(scheme.count).lowercased() == scheme else { return false }
        let given = Array(authorization.utf8.dropFirst(scheme.utf8.count))
        var difference = given.count ^ token.count
        for (at, byte) in token.enumerated() { difference |= Int(byte ^ (at < given.count ? given[at] : 0)) }
        return difference == 0
    }

    private static func mergingSlashes(_ path: Substring) -> String {
        var merged: [UInt8] = []
        for byte in path.utf8 where byte != UInt8(ascii: "/") || merged.last != UInt8(ascii: "/") { merged.append(byte) }
        return String(decoding: merged, as: UTF8.self)
    }
}
