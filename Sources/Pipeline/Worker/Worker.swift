// One worker: a thread, its ring, and everything that it serves. Shares nothing but its mailbox, its statistics cells
// and the frozen plan parts that it reads.
//
// A turn (`turn`): enter the kernel once, take the completions, run them, run due timers, look at the plan, flush what
// was queued. Everything else in the Pipeline is an extension of this class, one file per machine, so that the request
// path reads from one file to the next: `accepted` → `tcp…`/`http1…` → `HTTPStream` → `Forwarder` → `flushAll`.
//
// Class fields are touched by this thread only; nothing here may block.

import CLiburing
import Glibc
import Primitives
import Ring
import Stats
import Transport
import Upstream
import Wire

@safe
package struct WorkerOptions {
    package var index = 0
    /// Receive buffers: count (a power of two) and bytes of each.
    package var receiveBuffers = 256
    package var receiveBufferBytes = 16384
    /// `docs/limits.md` §completion queue.
    package var completionEntries = Ring.completionEntries
    /// Connections of this worker, downstream and upstream. `docs/limits.md` §connections.
    package var connectionsMax = 65536
    /// What calls of filters are configured by (`CallConfig.make`); nil: there are none.
    package var callConfig: UnsafePointer<HTTPConfig>?
    /// Of the worker itself (`WorkerStat`); nil: nobody keeps any (tests).
    package var stats: UInt32?
    /// Batches of main's that this worker sends; nil: another one does.
    package var exportInbox: ExportInbox?
    package init() {}
}

@safe
public final class Worker {
    /// Completions that one turn runs before timers and mailbox get their share.
    static let completionsPerTurn = 512
    static let timersPerTurn = 512

    package let index: Int
    package let mailbox: Mailbox
    package let cells: StatCells
    package let ring: Ring
    package let memory: Memory
    package var connections: Connections
    package let timers: TimerWheel
    package var random: Random
    package var pins = Pins()

    /// This turn's time.
    package var nowNs: UInt64
    package var nowMs: UInt64

    // The plan, as this worker runs it.
    var planVersion: UInt64 = 0
    package var drain = DrainState.none
    /// Listener parts whose connections shall go elsewhere; lies in `currentPlan`.
    var draining = FrozenArray<DrainingPart>()
    var acceptors = PlainArray<Acceptor>(capacity: 8)
    var clusters = unsafe PlainArray<UnsafeMutablePointer<Cluster>?>(capacity: 16)
    var clusterParts = PlainArray<PartID>(capacity: 16)
    var hosts = Slab<Host>(capacity: 1 << 20)
    /// Hosts where who waits may have a place now (`HostWaiting`).
    var hostsToServe = PlainArray<UInt64>(capacity: 8)
    var connectivity = Connectivity()
    /// Connections of `tcp_proxy` that nobody has yet.
    var aheads = Slab<AheadConnection>(capacity: 1 << 20)
    package var downstreamConnections = 0
    /// The plan as adopted last; main frees it only after this worker has adopted a newer one.
    var currentPlan: UnsafePointer<Plan>?

    /// Proxied TCP connections.
    var tcpSessions = Slab<TCPSession>(capacity: 1 << 20)

    // HTTP.
    package var streams = Slab<HTTPStream>(capacity: 1 << 20)
    var servers = Slab<H1Server>(capacity: 1 << 20)
    var clients = Slab<H1Client>(capacity: 1 << 20)
    var h2 = H2Worker()
    var tracing = TracingWorker()
    var exports = ExportWorker()
    var callStreams = CallStreams()
    let exportInbox: ExportInbox?
    /// Instances of filter chains, by the chain's number.
    var chains: [WorkerFilterChain?] = []
    /// Streams whose filter makes the next piece of its response in the next turn.
    var producing = PlainArray<UInt64>(capacity: 4)
    /// Calls of filters (`AsyncClient`): how many are under way, and which ends are to be told.
    let callConfig: UnsafePointer<HTTPConfig>?
    var activeCalls = 0
    var finishedCalls = PlainArray<CallEnd>(capacity: 64)
    /// Writes formats: header values, log lines.
    var formats: FormatWriter
    private var dates = DateCache()
    /// A stream as it is made, once there: most of a stream's fields are copied out of it.
    let blankStream = StreamPointer.allocate(capacity: 1)
    var hasBlankStream = false
    var failureTexts = InternedTexts()
    var certificateText: TextBuffer
    var inspections = Slab<Inspection>(capacity: 1 << 16)
    var helloScratch: UnsafeMutableRawPointer?
    /// Plaintext of one record: whoever gets it takes what it keeps.
    let plaintext = UnsafeMutableRawPointer.allocate(byteCount: Connections.recordMax, alignment: 64)
    private var wall: UInt64 = 0

    /// Kernel forms of addresses that a connect still needs until the ring has submitted: as many as it has entries.
    static let connectAddressCount = Int(Ring.submissionEntries)
    let connectAddresses: UnsafeMutablePointer<sockaddr_un>
    var nextConnectAddress = 0
    let acceptTimer: UnsafeMutablePointer<TimerNode>
    let hostTimer: UnsafeMutablePointer<TimerNode>
    /// Memory that a peak has left behind goes back.
    let memoryTimer: UnsafeMutablePointer<TimerNode>
    private let completions: UnsafeMutablePointer<Completion>
    /// Handshakes for which this turn had no room, oldest first, and how many more it has.
    var waitingHandshakes = PlainArray<UInt64>(capacity: 64)
    var handshakesLeft = Worker.handshakesPerTurn
    private var isStopped = false
    private var turnCount: UInt64 = 0

    /// Call on the worker's own thread.
    package init(options: WorkerOptions, mailbox: Mailbox, cells: StatCells) throws(RingError) {
        index = options.index
        unsafe callConfig = unsafe options.callConfig
        exportInbox = options.exportInbox
        self.mailbox = mailbox
        self.cells = cells
        ring = try Ring.create(
            submissions: min(Ring.submissionEntries, options.completionEntries), completions: options.completionEntries)
        memory = Memory(
            blocks: BlockPool(),
            buffers: try ProvidedBuffers(
                ring: ring, count: options.receiveBuffers, size: options.receiveBufferBytes))
        connections = Connections(ring: ring, memory: memory, capacity: options.connectionsMax)
        connections.cells = cells
        connections.workerStats = options.stats
        nowNs = Clock.monotonicNs()
        nowMs = nowNs / 1_000_000
        timers = TimerWheel(now: nowMs)
        random = Random(seed: Random.systemSeed())
        certificateText = TextBuffer(pool: memory.blocks)
        formats = FormatWriter(pool: memory.blocks, seed: Random.systemSeed())
        unsafe connectAddresses = .allocate(capacity: Worker.connectAddressCount)
        unsafe acceptTimer = .allocate(capacity: 1)
        unsafe acceptTimer.initialize(to: TimerNode(token: Operation.acceptTimer.token(.none)))
        unsafe hostTimer = .allocate(capacity: 1)
        unsafe hostTimer.initialize(to: TimerNode(token: Operation.hostTimer.token(.none)))
        unsafe memoryTimer = .allocate(capacity: 1)
        unsafe memoryTimer.initialize(to: TimerNode(token: Operation.memoryTimer.token(.none)))
        unsafe completions = .allocate(capacity: Worker.completionsPerTurn)
    }

    /// Serves until main says stop.
    package func run() {
        lookAtPlan()
        while !isStopped { turn() }
    }

    package func stop() { isStopped = true }

    /// Gives everything back, connections and streams that are still open aside: tests make workers by the thousand. A
    /// process ends without it.
    package func destroy() {
        ring.destroy()
        chains = []
        connections.destroy()
        memory.buffers.destroy()
        timers.destroy()
        pins.destroy()
        acceptors.destroy()
        unsafe clusters.destroy()
        clusterParts.destroy()
        hosts.destroy()
        hostsToServe.destroy()
        tcpSessions.destroy()
        aheads.destroy()
        streams.destroy()
        servers.destroy()
        clients.destroy()
        h2.destroy()
        producing.destroy()
        finishedCalls.destroy()
        callStreams.fed.destroy()
        inspections.destroy()
        tracing.held = HeldSpansTable()
        waitingHandshakes.destroy()
        formats.destroy()
        dates.destroy()
        unsafe blankStream.deallocate()
        certificateText.destroy()
        unsafe helloScratch?.deallocate()
        unsafe plaintext.deallocate()
        unsafe connectAddresses.deallocate()
        unsafe acceptTimer.deallocate()
        unsafe hostTimer.deallocate()
        unsafe memoryTimer.deallocate()
        unsafe completions.deallocate()
        memory.blocks.destroy()
    }

    // HOT: per turn.
    package func turn() {
        prepareTurn()
        turnCount &+= 2
        mailbox.isAt(turn: turnCount)
        ring.turn(timeoutNs: waitNs)
        mailbox.isAt(turn: turnCount &+ 1)
        beginTurn(atNs: Clock.monotonicNs())
        let count = unsafe ring.take(completions, max: Worker.completionsPerTurn)
        var i = 0
        while i < count {
            unsafe run(completions[i])
            i &+= 1
        }
        concludeTurn()
    }

    // The parts of a turn, for whoever is the kernel to a worker by hand: tests and the fuzzer.

    /// Everything that this thread wants of the kernel is queued.
    @inline(__always)
    package func prepareTurn() {
        if ring.isFull { connections.count(.completionQueueFull) }
        if !h2.due.isEmpty { pumpSessions() }
        connections.flushAll()
        while let connection = unsafe connections.takeFinished() { unsafe closeEither(connection) }
        memory.buffers.publish()
        connections.resumeStarved()
        connections.resumeLater(nowMs: nowMs)
    }

    @inline(__always)
    package func beginTurn(atNs: UInt64) {
        nowNs = atNs
        nowMs = atNs / 1_000_000
        wall = 0
        handshakesLeft = Worker.handshakesPerTurn
        if !waitingHandshakes.isEmpty { goOnWithHandshakes() }
    }

    /// What follows the completions.
    @inline(__always)
    package func concludeTurn() {
        _ = timers.advance(to: nowMs, limit: Worker.timersPerTurn) { token in fired(token) }
        if !producing.isEmpty { produceMore() }
        if !finishedCalls.isEmpty || !callStreams.fed.isEmpty { deliverCalls() }
        lookAtPlan()
        lookAtInbox()
        if !hostsToServe.isEmpty { serveHosts() }
    }

    private var waitNs: Int64 {
        if !producing.isEmpty { return 1000 }
        if !finishedCalls.isEmpty || !callStreams.fed.isEmpty || !h2.due.isEmpty || !waitingHandshakes.isEmpty || !hostsToServe.isEmpty {
            return 1000
        }
        let untilNext = min(timers.untilNext ?? .max, connections.untilLater(nowMs: nowMs) ?? .max)
        if untilNext == .max { return -1 }
        // A deadline in the past still lets the kernel run: a wait of one microsecond.
        return max(1000, Int64(truncatingIfNeeded: min(untilNext, 3_600_000)) &* 1_000_000)
    }

    // HOT: per completion.
    package func run(_ completion: Completion) {
        switch Operation.of(completion.user_data) {
        case .receive: received(completion)
        case .send: sent(completion)
        case .accept: accepted(completion)
        case .handover: handedOver(completion)
        case .handoverFailed: handoverFailed(completion)
        case .connect: connected(completion)
        case .message, .none, .close, .cancel, .timer, .streamTimer, .acceptTimer, .codecTimer, .handshakeTimer, .hostTimer, .exportTimer, .memoryTimer: break
        case .poll, .read, .other: completedOther(completion)
        }
    }

    /// Operations of the control plane on the main thread's ring.
    package var onOther: ((Completion) -> Void)?
    /// Main's worker, which has no clusters: takes over its batches. False: there is no room.
    package var onExport: ((ExportBatch) -> Bool)?

    private func completedOther(_ completion: Completion) { onOther?(completion) }

    private func fired(_ token: UInt64) {
        switch Operation.of(token) {
        case .timer:
            if let connection = unsafe connections.slab[Handle(raw: token)] { unsafe connectionTimedOut(connection) }
        case .streamTimer: streamTimedOut(Handle(raw: token))
        case .acceptTimer: acceptTimerFired()
        case .handshakeTimer: handshakeTimedOut(Handle(raw: token))
        case .hostTimer: sweepOriginalHosts()
        case .memoryTimer: memoryTimerFired()
        case .exportTimer: exportTimerFired(Handle(raw: token))
        case .codecTimer: codecTimedOut(Handle(raw: token))
        case .other: onTimer?(token)
        default: break
        }
    }

    /// Timers of the control plane on the main thread.
    package var onTimer: ((UInt64) -> Void)?

    // MARK: Time of day

    /// Nanoseconds since 1970, read at most once per turn.
    package var wallNs: UInt64 {
        if wall == 0 { wall = Clock.wallNs() }
        return wall
    }

    // HOT: per message.
    /// The `date` header's text, written once per second.
    var dateText: Bytes {
        dates.text(Int64(truncatingIfNeeded: wallNs / 1_000_000_000))
    }

    // MARK: Statistics

    // HOT: per message.
    @inline(__always)
    // Under a name of its own: a listener and a connection manager have leaves of the same names.
    func countListener(_ base: UInt32, _ leaf: ListenerStat) { cells.increment(base &+ leaf.rawValue) }
    @inline(__always)
    func count(_ base: UInt32, _ leaf: ClusterStat, _ n: UInt64 = 1) { cells.add(base &+ leaf.rawValue, n) }
    @inline(__always)
    func gauge(_ base: UInt32, _ leaf: ClusterStat, _ n: Int64) { cells.gaugeAdd(base &+ leaf.rawValue, n) }
    @inline(__always)
    func countTCP(_ base: UInt32, _ leaf: TCPProxyStat, _ n: UInt64 = 1) { cells.add(base &+ leaf.rawValue, n) }
    @inline(__always)
    func count(_ base: UInt32, _ leaf: HTTPConnectionManagerStat, _ n: UInt64 = 1) {
        cells.add(base &+ leaf.rawValue, n)
    }
    @inline(__always)
    func gauge(_ base: UInt32, _ leaf: HTTPConnectionManagerStat, _ n: Int64) {
        cells.gaugeAdd(base &+ leaf.rawValue, n)
    }
}
