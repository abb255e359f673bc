// Request heads for tests.

import Primitives
import Wire

struct TestRequest {
    var method = "GET"
    var path: String
    var authority = "a.com"
    var scheme = "http"
    var headers: [(String, String)] = []

    init(_ path: String, method: String = "GET", authority: String = "a.com", headers: [(String, String)] = []) {
        self.path = path
        self.method = method
        self.authority = authority
        self.headers = headers
    }

    /// Valid for the length of the call.
    func withHead<R>(_ body: (MessageHead) throws -> R) rethrows -> R {
        let pool = BlockPool()
        defer { pool.destroy() }
        guard var head = MessageHead(pool: pool) else { fatalError("no memory") }
        defer { head.destroy() }
        head.method = method == "CONNECT" ? .connect : method == "GET" ? .get : .other
        head.methodText = method.withBytes { head.store($0) }
        head.path = path.withBytes { head.store($0) }
        head.authority = authority.withBytes { head.store($0) }
        head.scheme = scheme.withBytes { head.store($0) }
        for (name, value) in headers {
            name.withBytes { name in value.withBytes { value in head.append(name: name, value: value) } }
        }
        return try body(head)
    }
}
