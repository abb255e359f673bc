// Turns of the ring over socket pairs, as a worker makes them: receive what came, queue what goes out, submit.
// Called through `cturn.h`.

import CLiburing
import Glibc
import Primitives
import Ring
import Transport

@safe
final class TurnBench {
    private static let messageBytes = 256

    private let ring: Ring
    private let memory: Memory
    private var connections: Connections
    private let completions = UnsafeMutablePointer<Completion>.allocate(capacity: 4096)
    private let message = UnsafeMutablePointer<UInt8>.allocate(capacity: TurnBench.messageBytes)
    private var peers: [Int32] = []
    private var sent = 0

    init(pairs: Int) throws(RingError) {
        ring = try Ring.create(submissions: 256, completions: 4096)
        memory = Memory(blocks: BlockPool(), buffers: try ProvidedBuffers(ring: ring, count: 256, size: 16 << 10))
        connections = Connections(ring: ring, memory: memory, capacity: 1024)
        unsafe message.initialize(repeating: 7, count: TurnBench.messageBytes)
        for _ in 0..<pairs {
            var ends: [Int32] = [0, 0]
            guard unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0,
                let connection = unsafe connections.adopt(descriptor: ends[0], role: .none, nowNs: 0)
            else { continue }
            peers.append(ends[1])
            unsafe connections.receive(connection)
        }
        turn()
    }

    /// The memory of the ring goes with it; its sockets are closed.
    func destroy() {
        for peer in peers { close(peer) }
        connections.destroy()
        ring.destroy()
        memory.buffers.destroy()
        unsafe completions.deallocate()
        unsafe message.deallocate()
    }

    func idle() {
        unsafe io_uring_prep_nop(ring.entry())
        turn()
    }

    func echo() -> Int32 {
        for peer in peers { unsafe write(peer, message, TurnBench.messageBytes) }
        sent = 0
        var turns = 0
        while sent < peers.count, turns < 32 {
            turn()
            turns &+= 1
        }
        var whole: Int32 = 0
        for peer in peers where unsafe read(peer, message, TurnBench.messageBytes) == TurnBench.messageBytes { whole += 1 }
        return whole
    }

    private func turn() {
        connections.flushAll()
        memory.buffers.publish()
        ring.turn(timeoutNs: 1000)
        let count = unsafe ring.take(completions, max: 4096)
        for i in 0..<count { unsafe run(completions[i]) }
    }

    private func run(_ completion: Completion) {
        switch Operation.of(completion.user_data) {
        case .receive:
            guard case .data(let connection, let position, let count, let bytes) = connections.received(completion)
            else { return }
            var left = bytes
            for i in 0..<count {
                let id = memory.buffers.identifier(at: position &+ UInt16(truncatingIfNeeded: i))
                let part = min(left, memory.buffers.size)
                left &-= part
                _ = unsafe connections.send(connection, buffer: id, Bytes(UnsafeRawPointer(memory.buffers.base(id)), part))
            }
        case .send:
            _ = connections.sent(completion)
            sent &+= 1
        default: break
        }
    }
}

@_cdecl("martlet_turn_make") func make(_ pairs: Int32) -> UnsafeMutableRawPointer? {
    guard let bench = try? TurnBench(pairs: Int(pairs)) else { return nil }
    return unsafe Unmanaged.passRetained(bench).toOpaque()
}

private func bench(_ opaque: UnsafeMutableRawPointer) -> TurnBench {
    unsafe Unmanaged<TurnBench>.fromOpaque(opaque).takeUnretainedValue()
}

@_cdecl("martlet_turn_idle") func idle(_ opaque: UnsafeMutableRawPointer) { unsafe bench(opaque).idle() }

@_cdecl("martlet_turn_echo") func echo(_ opaque: UnsafeMutableRawPointer) -> Int32 { unsafe bench(opaque).echo() }

@_cdecl("martlet_turn_destroy") func destroy(_ opaque: UnsafeMutableRawPointer) {
    unsafe bench(opaque).destroy()
    unsafe Unmanaged<TurnBench>.fromOpaque(opaque).release()
}
