// What was asked for: the request as commands see it.

package struct AdminRequest {
    package var method: String
    /// Without query, duplicate slashes merged.
    package var path: String
    package var pathAndQuery: String
    package var query: QueryParameters
    package var body: [UInt8]
    package var host = ""
    package var origin = ""
    package var ifNoneMatch = ""
    /// `accept`, all of it.
    package var accept = ""

    /// `target`: path and query as the client sent them. `contentType`: of the body.
    package init(method: String, target: String, contentType: String = "", body: [UInt8] = []) {
        self.method = method
        self.body = body
        let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
        path = AdminRequest.mergingSlashes(target[..<mark])
        pathAndQuery = path + target[mark...]
        query = QueryParameters(target[mark...].dropFirst())
        // Parameters may come as a form, when the query has none.
        if query.isEmpty, contentType == "application/x-www-form-urlencoded" {
            query = QueryParameters(String(decoding: body, as: UTF8.self)[...])
        }
    }

    /// A browser sends it for a page of another site. Clients that are no browsers send no `origin`.
    package var isFromAnotherSite: Bool {
        guard !origin.isEmpty else { return false }
        let scheme = origin.hasPrefix("http://") ? 7 : origin.hasPrefix("https://") ? 8 : origin.count
        return origin.dropFirst(scheme) != host
    }

    private static func mergingSlashes(_ path: Substring) -> String {
        var merged: [UInt8] = []
        for byte in path.utf8 where byte != UInt8(ascii: "/") || merged.last != UInt8(ascii: "/") { merged.append(byte) }
        return String(decoding: merged, as: UTF8.self)
    }
}
