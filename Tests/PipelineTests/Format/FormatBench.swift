import Pipeline
import Primitives
import Routing
import Wire

/// Evaluates formats by hand, over a stream or a connection that the test has filled in.
@safe
final class FormatBench {
    let arena = FrozenArena()
    private let pool = BlockPool()
    private var writer: FormatWriter
    let stream: UnsafeMutablePointer<HTTPStream>
    var info = TCPLogInfo()
    var nowNs: UInt64 = 0
    /// What `cel_config` allows.
    var expressions = CELOptions()

    init() throws {
        writer = FormatWriter(pool: pool, seed: 1)
        let routes = unsafe arena.store(
            RouteTableConfig(table: try RouteTable(RouteTableSpec(name: "", virtualHosts: []), seed: 1)))
        let http = unsafe arena.store(HTTPConfig(routes: routes))
        guard let request = MessageHead(pool: pool), let response = MessageHead(pool: pool) else { fatalError("no memory") }
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: HTTPStream(blank: http, request: request, response: response))
    }

    deinit {
        writer.destroy()
        unsafe stream.pointee.request.destroy()
        unsafe stream.pointee.response.destroy()
        unsafe stream.deallocate()
    }

    func write(_ text: String) throws -> String {
        unsafe try write(text, FormatSource(stream: UnsafePointer(stream), nowNs: nowNs))
    }

    func writeTCP(_ text: String) throws -> String {
        var info = info
        return unsafe try withUnsafePointer(to: &info) { unsafe try write(text, FormatSource(tcp: $0, nowNs: nowNs)) }
    }

    /// A value of JSON that the operator stands alone in.
    func writeJSON(_ text: String) throws -> String {
        var token = JSONToken()
        token.kind = .value
        token.format = try compile(text)
        var format = JSONFormat()
        format.tokens = arena.array([token])
        return unsafe String(String(writer.write(format, FormatSource(stream: UnsafePointer(stream), nowNs: nowNs))).dropLast())
    }

    private func write(_ text: String, _ source: FormatSource) throws -> String { String(writer.write(try compile(text), source)) }

    private func compile(_ text: String) throws -> Format {
        var compiler = FormatCompiler(in: arena)
        compiler.allowsRequestWithoutQuery = true
        compiler.expressions = expressions
        return try compiler.compile(text)
    }
}
