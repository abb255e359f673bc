import Control
import Stats
package struct AdminRequest { package var method: String; package var path: String
  package init(method: String, path: String) { self.method = method; self.path = path } }
package struct AdminResponse { package var status: UInt16; package var contentType: String; package var body: [UInt8] }
package final class AdminHandler {
  let c: ServerContext
  package init(context: ServerContext) { c = context }
  package func handle(_ r: AdminRequest) -> AdminResponse {
    if r.path.hasPrefix("/stats") {
      var out: [UInt8] = []
      var renderer = StatsRenderer(c.server.stats, StatsQuery())
      while renderer.next(maxBytes: 1 << 20, { s in for i in s.indices { out.append(s[i]) } }) {}
      return AdminResponse(status: 200, contentType: "text/plain; charset=UTF-8", body: out)
    }
    return AdminResponse(status: 200, contentType: "text/plain; charset=UTF-8", body: Array("\(c.server.state)\n".utf8))
  }
}
