// A worker without a kernel: what the kernel would tell it is told by hand, at a time of our own, so that an exchange is a
// function of its input. Nothing that the worker asks for happens: descriptors are numbers that no file has, hosts are
// sockets that are never connected. What it submits is thrown away with its completions.

import CLiburing
import CMartlet
import Pipeline
import Primitives
import Ring
import Stats
import StatsStore
import Transport

/// The other side of one of the worker's connections.
final class FedPeer {
    enum End { case open, ended, reset }
    let connection: Handle
    let isClient: Bool
    /// What the worker sends, where that is HTTP/2; what it sends in HTTP/1 is the concern of other tests.
    var frames: FramesOut?
    var hasSent = false
    /// Sent by the peer and not yet received.
    var pending: [UInt8] = []
    var end = End.open
    private(set) var endWasTold = false
    /// Bytes that the kernel takes at a time from the worker.
    var takes = Int.max
    /// Where connecting ends.
    var refuses = false

    init(_ connection: Handle, isClient: Bool) {
        self.connection = connection
        self.isClient = isClient
    }

    func toldEnd() { endWasTold = true }
}

@safe
final class FedWorker {
    let configuration: FedConfiguration
    let worker: Worker
    private(set) var peers: [FedPeer] = []
    /// Bytes of blocks that it holds while it serves nobody.
    let restBytes: Int
    /// Bytes of a peer that arrive at a time.
    var piece = Int.max
    private let mailbox = Mailbox()
    private var nowNs: UInt64
    private var descriptor: Int32 = 1 << 21
    private var moved = false
    /// Place in the ring of receive buffers, and how many of them the kernel would have.
    private var position: UInt16 = 0
    private var shown = 0
    private var handles: [Handle] = []
    private let scratch = UnsafeMutablePointer<Completion>.allocate(capacity: 512)
    private let vectors = UnsafeMutablePointer<iovec>.allocate(capacity: 32)

    init() throws {
        configuration = try FedConfiguration()
        var options = WorkerOptions()
        options.receiveBuffers = 64
        options.receiveBufferBytes = 4_096
        options.completionEntries = 4_096
        worker = try Worker(options: options, mailbox: mailbox, cells: configuration.stats.cells(worker: 0))
        restBytes = worker.memory.blocks.allocatedBytes
        nowNs = worker.nowNs
        configuration.publish(.serving, to: mailbox)
        worker.concludeTurn()
    }

    func publish(_ phase: FedConfiguration.Phase) {
        configuration.publish(phase, to: mailbox)
        moved = true
    }

    /// Forgets the peers of before; the same numbers for the same input.
    func begin() {
        peers.removeAll()
        worker.random = Random(seed: 1)
        piece = .max
    }

    func connect(_ variant: FedVariant) {
        descriptor = descriptor == .max ? 1 << 21 : descriptor + 1
        let token = worker.acceptToken(FedConfiguration.socket(of: variant))
        worker.run(Completion(user_data: token, result: descriptor, flags: UInt32(MARTLET_CQE_MORE)))
        meetConnections()
    }

    func isThere(_ peer: FedPeer) -> Bool { unsafe worker.connections.slab[peer.connection] != nil }

    // MARK: Turns

    /// Turns until nothing moves any more, at most so many.
    func settle(_ turns: Int = 256) {
        for _ in 0..<turns where !turn(afterNs: 1_000) { return }
    }

    /// One turn; false: nothing happened in it.
    @discardableResult
    func turn(afterNs ns: UInt64) -> Bool {
        moved = false
        worker.prepareTurn()
        shown = min(ProvidedBuffers.shownMax, worker.memory.buffers.free)
        worker.ring.turn(timeoutNs: 0)
        while unsafe worker.ring.take(scratch, max: 512) > 0 {}
        nowNs += ns
        worker.beginTurn(atNs: nowNs)
        meetConnections()
        for handle in handles { complete(handle) }
        worker.concludeTurn()
        meetConnections()
        return moved
    }

    /// Connections that the worker has opened since are met.
    private func meetConnections() {
        handles.removeAll(keepingCapacity: true)
        unsafe worker.connections.slab.forEach { unsafe handles.append($0.pointee.handle) }
        for handle in handles where !peers.contains(where: { $0.connection == handle }) {
            guard let connection = unsafe worker.connections.slab[handle] else { continue }
            let isClient = unsafe !connection.pointee.isConnecting
            let peer = FedPeer(handle, isClient: isClient)
            if unsafe connection.pointee.role == .http2Upstream { peer.frames = FramesOut(isServer: false) }
            peers.append(peer)
            moved = true
        }
    }

    private func run(_ operation: Operation, _ handle: Handle, _ result: Int32, flags: UInt32 = 0) {
        moved = true
        worker.run(Completion(user_data: operation.token(handle), result: result, flags: flags))
    }

    // MARK: What the kernel would complete

    private func complete(_ handle: Handle) {
        guard let peer = peers.first(where: { $0.connection == handle }) else { return }
        while let connection = unsafe worker.connections.slab[handle], unsafe connection.pointee.isClosing {
            if unsafe connection.pointee.isConnecting {
                run(.connect, handle, -ECANCELED)
            } else if unsafe connection.pointee.isSending {
                run(.send, handle, -ECANCELED)
            } else if unsafe connection.pointee.isReceiving {
                run(.receive, handle, -ECANCELED)
            } else {
                fatalError("a connection that is closed, and nothing is in flight")
            }
        }
        guard let connection = unsafe worker.connections.slab[handle] else { return }
        if unsafe connection.pointee.isConnecting { run(.connect, handle, peer.refuses || peer.end != .open ? -ECONNREFUSED : 0) }
        if let connection = unsafe worker.connections.slab[handle], unsafe connection.pointee.isSending, unsafe !connection.pointee.isClosing {
            unsafe send(connection, peer)
        }
        if let connection = unsafe worker.connections.slab[handle], unsafe connection.pointee.isReceiving, unsafe !connection.pointee.isClosing {
            unsafe receive(connection, peer)
        }
    }

    private func send(_ connection: UnsafeMutablePointer<Connection>, _ peer: FedPeer) {
        let handle = unsafe connection.pointee.handle
        if peer.end == .reset { return run(.send, handle, -ECONNRESET) }
        let gathered = unsafe connection.pointee.out.gather(vectors, max: 32)
        var left = min(gathered.bytes, peer.takes)
        guard left > 0 else { return }
        let count = Int32(left)
        for i in 0..<gathered.vectors where left > 0 {
            let n = unsafe min(left, vectors[i].iov_len)
            left -= n
            guard let base = unsafe vectors[i].iov_base else { continue }
            let bytes = unsafe Bytes(UnsafeRawPointer(base), n)
            if peer.isClient, !peer.hasSent, bytes[0] != UInt8(ascii: "H") { peer.frames = FramesOut(isServer: true) }
            peer.hasSent = true
            peer.frames?.read(bytes)
        }
        run(.send, handle, count)
    }

    private func receive(_ connection: UnsafeMutablePointer<Connection>, _ peer: FedPeer) {
        let handle = unsafe connection.pointee.handle
        // A receive that is being cancelled may bring bytes all the same.
        if peer.pending.isEmpty || peer.end == .reset {
            if unsafe connection.pointee.isCancellingReceive { return run(.receive, handle, -ECANCELED) }
            guard peer.end != .open, !peer.endWasTold else { return }
            peer.toldEnd()
            return run(.receive, handle, peer.end == .reset ? -ECONNRESET : 0)
        }
        let buffers = worker.memory.buffers
        let once = unsafe connection.pointee.receivesOnce
        let most = worker.ring.hasBundles && !once ? min(shown, 4) : min(shown, 1)
        guard most > 0 else { return run(.receive, handle, -ENOBUFS) }
        let count = min(peer.pending.count, piece, most * buffers.size)
        var written = 0
        var taken: UInt16 = 0
        while written < count {
            let base = unsafe buffers.base(buffers.identifier(at: position &+ taken))
            let n = min(count - written, buffers.size)
            // The kernel does not ask the sanitizer.
            unsafe martlet_unpoison(base, buffers.size)
            unsafe peer.pending.withUnsafeBytes { unsafe base.copyMemory(from: $0.baseAddress! + written, byteCount: n) }
            written += n
            taken += 1
        }
        let first = buffers.identifier(at: position)
        peer.pending.removeFirst(count)
        position &+= taken
        shown -= Int(taken)
        let more = unsafe once || connection.pointee.isCancellingReceive ? 0 : UInt32(MARTLET_CQE_MORE)
        let flags = UInt32(MARTLET_CQE_BUFFER) | more | UInt32(first) << UInt32(MARTLET_CQE_BUFFER_SHIFT)
        run(.receive, handle, Int32(count), flags: flags)
    }
}
