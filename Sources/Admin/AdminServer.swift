// The admin listener: an ordinary HTTP listener on main's own worker, with one filter that answers everything.
//
// So admin connections get the codec, the limits and the statistics of any other (`http.admin.`, `listener.admin.`),
// and no worker ever waits for a dump.

import Control
import EnvoyAPI
import Glibc
import Pipeline
import Primitives
import Routing
import Stats
import Upstream
import Wire

package final class AdminServer {
    private let arena = FrozenArena()
    private let spec: FilterChainSpec?
    private let address: SocketAddress?

    /// Opens the admin address and hands the listener to main's worker; without `admin` in the configuration, nothing.
    package init(
        _ server: Server, _ document: ConfigDocument, options: [(name: String, json: String)]
    ) throws(ServerError) {
        guard document.bootstrap.hasAdmin, document.bootstrap.admin.hasAddress,
            let address = AdminServer.address(document.bootstrap.admin.address)
        else {
            spec = nil
            address = nil
            return
        }
        let context = ServerContext(server, options: options)
        let handler = AdminHandler(context: context)
        let spec = FilterChainSpec(factories: [AdminFilterFactory(handler)])
        self.spec = spec
        let sockets: [Int32]
        do throws(ListenError) {
            sockets = try ListenSocket.open(address, workers: 1, backlog: 128)
        } catch {
            throw .listen(error)
        }
        let bound = address.family == .unix ? address : SocketAddress(localOf: sockets[0])
        self.address = bound
        let stats = server.stats
        let routes: RouteTable
        do throws(RoutingErrors) {
            routes = try RouteTable(RouteTableSpec(name: "admin", virtualHosts: []), seed: Random.systemSeed())
        } catch {
            fatalError("invariant: a table without routes compiles")
        }
        var http = unsafe HTTPConfig(routes: arena.store(RouteTableConfig(table: routes)))
        http.stats = stats.scope(StatPrefix.http("admin"), HTTPConnectionManagerStat.self).base
        http.routerStats = stats.scope(StatPrefix.http("admin"), RouterStat.self).base
        http.codecStats = stats.scope("http1.", HTTP1CodecStat.self).base
        http.listenerStats = stats.scope("listener.admin.http.admin.", ListenerHTTPStat.self).base
        http.generateRequestID = false
        http.filterChain = 0
        unsafe http.filterChainSpec = unsafe UnsafeRawPointer(Unmanaged.passUnretained(spec).toOpaque())
        var listener = ListenerConfig()
        listener.part = 0
        listener.name = arena.text("admin")
        listener.stats = stats.scope("listener.admin.", ListenerStat.self).base
        let main = stats.scope("listener.admin.main_thread.", ListenerWorkerStat.self).base
        listener.workerStats = arena.array([UInt32](repeating: main, count: server.options.concurrency + 1))
        var place = ListenAddress()
        place.address = bound
        place.sockets = arena.array(sockets)
        listener.addresses = arena.array([place])
        listener.chain = unsafe .http(arena.store(http))
        var plan = Plan()
        plan.version = 1
        plan.listeners = unsafe arena.array([ListenerSlot(part: 0, config: arena.store(listener))])
        unsafe server.mainMailbox.publish(arena.store(plan))
        server.log.write(.info, "main", "admin address: \(bound)")
        server.keep(self)
    }

    private static func address(_ message: Envoy_Config_Core_V3_Address) -> SocketAddress? {
        switch message.address {
        case .socketAddress(let socket):
            SocketAddress(ip: socket.address, port: UInt16(truncatingIfNeeded: socket.portValue))
        case .pipe(let pipe): SocketAddress(unixPath: pipe.path)
        default: nil
        }
    }

    /// `--admin-address-path`: `ip:port` for whoever started us on port 0.
    package func writeAddress(to path: String?) {
        guard let path, let address else { return }
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return }
        "\(address)".withBytes { bytes in _ = unsafe write(descriptor, bytes.base, bytes.count) }
        close(descriptor)
    }
}

/// Answers every request of the admin listener.
final class AdminFilter: HTTPFilter {
    private let handler: AdminHandler

    init(_ handler: AdminHandler) {
        self.handler = handler
        super.init(name: "admin", interest: .requestHead)
    }

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        let request = unsafe stream.pointee.request
        let response = handler.handle(
            AdminRequest(
                method: String(request.text(request.methodText)), path: String(request.text(request.path))))
        let type = Array(response.contentType.utf8)
        response.body.withBytes { body in
            type.withBytes { type in
                unsafe worker.reply(
                    stream, status: response.status, body: body, details: Bytes("admin" as StaticString), flags: [],
                    contentType: type
                ) { head in
                    head.append(.cacheControl, Bytes("no-cache, max-age=0" as StaticString))
                    head.append(
                        name: Bytes("x-content-type-options" as StaticString), value: Bytes("nosniff" as StaticString))
                }
            }
        }
        return .stop
    }
}

final class AdminFilterFactory: HTTPFilterFactory {
    private let handler: AdminHandler

    init(_ handler: AdminHandler) {
        self.handler = handler
        super.init(name: "admin")
    }

    override func make(_ worker: Worker) -> HTTPFilter { AdminFilter(handler) }
}
