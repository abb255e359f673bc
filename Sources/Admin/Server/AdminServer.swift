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
import StatsStore
import Upstream
import Wire

package final class AdminServer {
    private let arena = FrozenArena()
    private let server: Server
    private var factories: [AdminFilterFactory] = []
    private var specs: [FilterChainSpec] = []
    private var slots: [ListenerSlot] = []
    private var address: SocketAddress?

    /// Opens the admin address and the one for metrics, and hands their listeners to main's worker; what is not
    /// configured is not opened.
    package init(
        _ server: Server, _ document: ConfigDocument, access: AdminAccess, options: [(name: String, json: String)],
        version: String
    ) throws(ServerError) {
        self.server = server
        let context = AdminContext(server, options: options, version: version)
        context.profilePath = document.bootstrap.admin.profilePath
        if document.bootstrap.hasAdmin, document.bootstrap.admin.hasAddress,
            let address = AdminServer.address(document.bootstrap.admin.address)
        {
            let handler = AdminHandler(
                context, allowedPaths: try AdminServer.allowedPaths(document), token: access.token)
            let bound = try listen(at: address, handler, "admin")
            self.address = bound
            server.log.write(.info, "main", "admin address: \(bound)")
        }
        if let address = access.metricsAddress {
            let bound = try listen(at: address, AdminHandler(context, onlyMetrics: true), "metrics")
            server.log.write(.info, "main", "metrics address: \(bound)")
        }
        if slots.isEmpty { return }
        server.onTick = { [unowned server, factories] in
            for factory in factories { factory.ticked(server.main) }
        }
        server.configurator.serveOnMain(arena.array(slots))
        server.keep(self)
    }

    /// `name`: of the listener, and prefix of its statistics.
    private func listen(
        at address: SocketAddress, _ handler: AdminHandler, _ name: String
    ) throws(ServerError) -> SocketAddress {
        let factory = AdminFilterFactory(handler)
        factories.append(factory)
        let spec = FilterChainSpec(factories: [factory])
        specs.append(spec)
        let sockets: [Int32]
        do throws(ListenError) {
            sockets = try ListenSocket.open(address, workers: 1, backlog: 128)
        } catch {
            throw .listen(error)
        }
        let bound = address.family == .unix ? address : SocketAddress(localOf: sockets[0])
        let stats = server.stats
        let routes: RouteTable
        do throws(RoutingErrors) {
            routes = try RouteTable(RouteTableSpec(name: "admin", virtualHosts: []), seed: Random.systemSeed())
        } catch {
            fatalError("invariant: a table without routes compiles")
        }
        var http = unsafe HTTPConfig(routes: arena.store(RouteTableConfig(table: routes)))
        http.stats = stats.scope(StatPrefix.http(name), HTTPConnectionManagerStat.self).base
        http.routerStats = stats.scope("http.async-client.", RouterStat.self).base
        http.codecStats = stats.scope("http1.", HTTP1CodecStat.self).base
        http.http2Stats = stats.scope("http2.", HTTP2CodecStat.self).base
        http.listenerStats = stats.scope("listener.\(name).http.\(name).", ListenerHTTPStat.self).base
        http.generateRequestID = false
        http.normalizePath = true
        // A client that said `close` gets its end behind the answer, as from Envoy's admin; probes wait for it.
        http.delayedCloseTimeoutMs = 0
        if let logs = server.configurator.adminLogs {
            http.accessLogs = logs.configs
            http.metersWire = logs.nameWireBytes
            http.timesRoutes = logs.nameRouteTimes
        }
        http.bufferLimit = 2 * BodySource.pieceBytes
        // Workers make the filters of each chain once, by this number.
        http.filterChain = slots.isEmpty ? 0 : CallConfig.filterChain + UInt32(slots.count)
        unsafe http.filterChainSpec = unsafe UnsafeRawPointer(Unmanaged.passUnretained(spec).toOpaque())
        var listener = ListenerConfig()
        listener.part = server.publisher.number()
        listener.slot = UInt32(slots.count)
        listener.name = arena.text(name)
        listener.stats = stats.scope("listener.\(name).", AdminListenerStat.self).base
        // Whoever reads it has a connection here, that no listener filter ever saw.
        stats.mainCells.set(listener.stats &+ ListenerStat.downstreamPreCxActive.rawValue, 0)
        let main = stats.scope("listener.\(name).main_thread.", ListenerWorkerStat.self).base
        listener.workerStats = arena.array([UInt32](repeating: main, count: server.options.concurrency + 1))
        var place = ListenAddress()
        place.address = bound
        place.sockets = arena.array(sockets)
        listener.addresses = arena.array([place])
        listener.chain = unsafe .http(arena.store(http))
        unsafe slots.append(ListenerSlot(part: listener.part, config: arena.store(listener)))
        return bound
    }

    private static func allowedPaths(_ document: ConfigDocument) throws(ServerError) -> StringMatchers {
        do throws(RegexProgram.Invalid) {
            return try StringMatchers(document.bootstrap.admin.allowPaths)
        } catch {
            throw .config(ConfigErrors([ConfigError(path: "admin.allow_paths", message: error.message)]))
        }
    }

    private static func address(_ message: Envoy_Config_Core_V3_Address) -> SocketAddress? {
        switch message.address {
        case .socketAddress(let socket):
            SocketAddress(ip: socket.address, port: UInt16(truncatingIfNeeded: socket.portValue))
        case .pipe(let pipe): SocketAddress(unixPath: pipe.path, mode: pipe.mode)
        default: nil
        }
    }

    /// `--admin-address-path`: `ip:port` for whoever started us on port 0.
    package func writeAddress(to path: String?) {
        guard let path, let address else { return }
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            server.log.write(
                .critical, "main",
                "cannot open admin address output file \(path) for writing: \(unsafe String(cString: strerror(errno)))")
            return
        }
        "\(address)".withBytes { bytes in _ = unsafe write(descriptor, bytes.base, bytes.count) }
        close(descriptor)
    }
}
