import Control
final class ServerContext_ {}
package final class ServerContext {
  let server: Server
  init(_ server: Server, options: [(name: String, json: String)]) { self.server = server }
}
