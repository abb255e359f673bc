// A worker without sockets, with one chain: the parts of a request and its response go in by hand.
//
// The chain is: client probe, neighbour, the filter under test, neighbour, upstream probe.

import Pipeline
import Primitives
import Routing
import Stats
import StatsStore
import Transport
import Wire

/// One exchange. Bodies are given in parts, as they arrive.
struct Script {
    var method = "GET"
    var path = "/"
    var fields: [(String, String)] = []
    var request: [[UInt8]] = []
    var requestTrailers: [(String, String)] = []
    var status: UInt16 = 200
    var responseFields: [(String, String)] = []
    var response: [[UInt8]] = []
    var responseTrailers: [(String, String)] = []
    /// The body's length is told in advance.
    var hasLength = false

    enum Step { case requestHead, requestPart(Int), requestEnd, responseHead, responsePart(Int), responseEnd }

    var steps: [Step] {
        var steps: [Step] = [.requestHead]
        for i in request.indices { steps.append(.requestPart(i)) }
        if !request.isEmpty || !requestTrailers.isEmpty { steps.append(.requestEnd) }
        steps.append(.responseHead)
        for i in response.indices { steps.append(.responsePart(i)) }
        if !response.isEmpty || !responseTrailers.isEmpty { steps.append(.responseEnd) }
        return steps
    }
}

@safe
final class ChainBench {
    let worker: Worker
    let record = Record()
    let neighbours: [Pauser]
    private let stats: StatRegistry
    let mailbox = Mailbox()
    private let arena = FrozenArena()
    private let spec: FilterChainSpec
    private let http: UnsafePointer<HTTPConfig>
    /// The route of the streams that `open` makes.
    var route = RouteConfig()
    private(set) var handle = Handle.none
    let blockBytesBefore: Int

    init(
        _ factory: HTTPFilterFactory?, neighbour: Neighbour = .none, bufferLimit: Int = 1 << 20,
        stats: StatRegistry = StatRegistry(workers: 1)
    ) throws {
        self.stats = stats
        var options = WorkerOptions()
        options.receiveBuffers = 16
        unsafe options.callConfig = unsafe CallConfig.make(
            routerStats: stats.scope("http.async-client.", RouterStat.self).base)
        worker = try Worker(options: options, mailbox: mailbox, cells: stats.cells(worker: 0))
        neighbours = [Pauser(neighbour), Pauser(neighbour)]
        var factories: [HTTPFilterFactory] = [Given(ClientProbe(record)), Given(neighbours[0])]
        if let factory { factories.append(factory) }
        factories += [Given(neighbours[1]), Given(UpstreamProbe(record))]
        spec = FilterChainSpec(factories: factories)
        let routes = unsafe arena.store(
            RouteTableConfig(table: try RouteTable(RouteTableSpec(name: "", virtualHosts: []), seed: 1)))
        var config = unsafe HTTPConfig(routes: routes)
        config.bufferLimit = bufferLimit
        config.filterChain = CallConfig.filterChain + 1
        config.stats = stats.scope("http.test.", HTTPConnectionManagerStat.self).base
        config.routerStats = stats.scope("http.test.", RouterStat.self).base
        config.codecStats = stats.scope("http1.", HTTP1CodecStat.self).base
        config.listenerStats = stats.scope("listener.test.http.test.", ListenerHTTPStat.self).base
        unsafe config.filterChainSpec = unsafe UnsafeRawPointer(Unmanaged.passUnretained(spec).toOpaque())
        unsafe http = unsafe arena.store(config)
        // Instances keep buffers of their own.
        unsafe worker.prepareChain(http)
        blockBytesBefore = worker.memory.blocks.allocatedBytes
    }

    deinit {
        worker.destroy()
        mailbox.destroy()
    }

    var stream: StreamPointer? { unsafe worker.streams[handle] }
    /// Bytes of blocks that streams hold.
    var heldBytes: Int { worker.memory.blocks.allocatedBytes - blockBytesBefore }

    // MARK: Steps

    func open(_ script: Script) throws {
        guard let (handle, stream) = unsafe worker.streams.allocate(),
            let request = MessageHead(pool: worker.memory.blocks), let response = MessageHead(pool: worker.memory.blocks)
        else { throw BenchError.noMemory }
        let blank = StreamPointer.allocate(capacity: 1)
        defer { unsafe blank.deallocate() }
        unsafe blank.initialize(to: HTTPStream(blank: http, request: request, response: response))
        unsafe HTTPStream.initialize(
            stream, asIn: blank, handle: handle, downstream: .none, http: http, request: request, response: response)
        self.handle = handle
        unsafe stream.pointee.route = unsafe arena.store(route)
        unsafe stream.pointee.startNs = worker.nowNs
        unsafe stream.pointee.requestHeadDone = true
        unsafe stream.pointee.request.set(script)
        if script.hasLength {
            let length = script.request.reduce(0) { $0 + $1.count }
            unsafe stream.pointee.requestLength = UInt64(length)
            unsafe stream.pointee.request.add("content-length", String(length))
        } else if !script.request.isEmpty {
            unsafe stream.pointee.requestIsChunked = true
        }
    }

    func play(_ step: Script.Step, of script: Script) {
        guard let stream = unsafe stream else { return }
        switch step {
        case .requestHead:
            let ends = script.request.isEmpty && script.requestTrailers.isEmpty
            unsafe stream.pointee.requestEnded = ends
            guard unsafe worker.beginFilters(stream) else { return }
            unsafe worker.runRequestHead(stream, endStream: ends)
        case .requestPart(let i):
            script.request[i].withBytes { part in unsafe worker.requestData(stream, part, nil, endStream: false) }
        case .requestEnd:
            if !script.requestTrailers.isEmpty {
                unsafe stream.pointee.requestTrailers = trailers(script.requestTrailers)
            }
            unsafe worker.requestEnded(stream)
        case .responseHead:
            // The filter has answered by itself, or keeps the request for ever.
            guard unsafe !stream.pointee.hasResponseHead, record.requests > 0 else { return }
            unsafe stream.pointee.response.reset()
            unsafe stream.pointee.response.status = script.status
            for (name, value) in script.responseFields { unsafe stream.pointee.response.add(name, value) }
            unsafe worker.responseHead(stream, endStream: script.response.isEmpty && script.responseTrailers.isEmpty)
        case .responsePart(let i):
            guard unsafe stream.pointee.hasResponseHead, unsafe !stream.pointee.isLocalReply else { return }
            script.response[i].withBytes { part in unsafe worker.responseData(stream, part, nil, endStream: false) }
        case .responseEnd:
            guard unsafe stream.pointee.hasResponseHead, unsafe !stream.pointee.isLocalReply else { return }
            if !script.responseTrailers.isEmpty {
                unsafe stream.pointee.responseTrailers = trailers(script.responseTrailers)
            }
            unsafe worker.responseEnded(stream)
        }
    }

    private func trailers(_ fields: [(String, String)]) -> MessageHead? {
        var head = MessageHead(pool: worker.memory.blocks, bytes: 1024)
        for (name, value) in fields { head?.add(name, value) }
        return head
    }

    /// The neighbours let everything go that they have stopped.
    func resumeNeighbours() {
        for _ in 0..<4 { for pauser in neighbours { pauser.resume(worker, handle) } }
    }

    /// The exchange from its beginning; up to `count` steps. `settle`: called behind each.
    func run(_ script: Script, steps count: Int = .max, settle: (ChainBench) -> Void = { _ in }) throws {
        try open(script)
        for step in script.steps.prefix(count) {
            play(step, of: script)
            resumeNeighbours()
            settle(self)
            resumeNeighbours()
        }
    }

    /// The stream ends, as it does when a client is gone or has its response.
    func end() {
        if let stream = unsafe stream { unsafe worker.endStream(stream, reset: true) }
    }
}

enum BenchError: Error { case noMemory }

extension MessageHead {
    mutating func add(_ name: String, _ value: String) {
        name.withBytes { name in value.withBytes { value in self.append(name: name, value: value) } }
    }

    mutating func set(_ script: Script) {
        methodText = script.method.withBytes { self.store($0) }
        method = script.method.withBytes { Methods.method($0) }
        path = script.path.withBytes { self.store($0) }
        authority = "host.test".withBytes { self.store($0) }
        add("host", "host.test")
        for (name, value) in script.fields { add(name, value) }
    }
}
