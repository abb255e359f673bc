// `exact_balance`: a connection that this worker has accepted goes to the worker with the fewest of its listener.
//
// It is handed over before anything of it has been read: its descriptor travels in a message from ring to ring, with the
// number of its listener, and the other worker opens it as if it had accepted it. Nothing is shared but the counts
// (`BalanceCells`), and nothing waits. Whoever is chosen runs the listener and goes on running it until everything under
// way to it has arrived, so a reload or a drain loses none.

import CLiburing
import Glibc
import Primitives
import Ring
import Transport

extension Worker {
    /// How often a worker that stops accepting looks whether the last connection under way to it has come.
    static let arrivalMs: UInt64 = 5
    /// How long it looks: a message that the kernel had no memory for never comes (`docs/limits.md`).
    static let arrivalLimitMs: UInt64 = 5000

    /// The counts that a connection of this listener is in; nil: in none.
    @inline(__always)
    func countedCells(_ config: UnsafePointer<ListenerConfig>) -> BalanceCells? {
        unsafe config.pointee.isBalanced ? config.pointee.balance : nil
    }

    // HOT: per connection.
    /// Whether another worker gets the connection. If not, it is counted for us.
    func handOver(_ descriptor: Int32, _ acceptor: Acceptor) -> Bool {
        guard let cells = unsafe countedCells(acceptor.config) else { return false }
        // What comes at a socket's end stays: its listener may be gone elsewhere.
        guard acceptor.removeMs == 0, let note = HandoverNote(descriptor: descriptor, slot: acceptor.slot) else {
            cells.add(index)
            return false
        }
        let target = cells.take(own: index)
        guard target != index else { return false }
        guard let ringDescriptor = cells.ringDescriptor(of: target), target < HandoverNote.workersMax else {
            cells.give(target)
            cells.add(index)
            return false
        }
        unsafe martlet_prep_message(
            ring.entry(), ringDescriptor, Operation.handover.token(Handle(raw: UInt64(acceptor.slot))),
            UInt32(bitPattern: descriptor), Operation.handoverFailed.token(Handle(raw: note.raw(to: target))))
        return true
    }

    /// Another worker has accepted a connection for us, and counted it.
    func handedOver(_ completion: Completion) {
        receiveHandover(completion.result, slot: UInt32(truncatingIfNeeded: Handle(raw: completion.user_data).raw))
    }

    /// The message could not be sent: the connection stays here.
    func handoverFailed(_ completion: Completion) {
        let note = HandoverNote(raw: Handle(raw: completion.user_data).raw)
        guard let acceptor = acceptor(of: note.slot) else {
            Glibc.close(note.descriptor)
            return
        }
        if let cells = unsafe acceptor.config.pointee.balance {
            cells.give(note.worker)
            cells.add(index)
        }
        receiveHandover(note.descriptor, slot: note.slot)
    }

    private func receiveHandover(_ descriptor: Int32, slot: UInt32) {
        // There is one: `leaveBalance`.
        guard let acceptor = acceptor(of: slot) else {
            Glibc.close(descriptor)
            return
        }
        // Our listener has stopped counting between the sender's plan and ours.
        if unsafe !acceptor.config.pointee.isBalanced, let cells = unsafe acceptor.config.pointee.balance { cells.give(index) }
        opened(descriptor, acceptor)
    }

    /// Any of a listener's sockets, one that is listed before one that goes. Where there are several, only the connection
    /// itself knows its address.
    private func acceptor(of slot: UInt32) -> Acceptor? {
        var found: Acceptor?
        var count = 0
        for i in 0..<acceptors.count where acceptors[i].slot == slot {
            count += 1
            let isBetter = found.map { $0.removeMs != 0 && acceptors[i].removeMs == 0 } ?? true
            if isBetter { found = acceptors[i] }
        }
        if count > 1 { found?.local = SocketAddress() }
        return found
    }

    // MARK: Being chosen

    /// After a plan: which listeners' connections we take.
    func tellBalances() {
        for i in 0..<acceptors.count where acceptors[i].removeMs == 0 {
            guard let cells = unsafe acceptors[i].config.pointee.balance else { continue }
            if unsafe acceptors[i].config.pointee.isBalanced { cells.accept(index, ring: ring.descriptor) } else { cells.leave(index) }
        }
    }

    /// This socket's acceptor goes: the listener's last one only when nothing is under way to us any more. False: not yet.
    func leaveBalance(_ place: Int) -> Bool {
        guard let cells = unsafe acceptors[place].config.pointee.balance else { return true }
        for i in 0..<acceptors.count where i != place && acceptors[i].slot == acceptors[place].slot { return true }
        cells.leave(index)
        if acceptors[place].arrivalEndMs == 0 { acceptors[place].arrivalEndMs = nowMs &+ Worker.arrivalLimitMs }
        return cells.arriving(index) == 0 || nowMs >= acceptors[place].arrivalEndMs
    }

    /// A connection goes on under another listener's configuration, or a newer one of its own.
    func moveBalance(from old: UnsafePointer<ListenerConfig>, to new: UnsafePointer<ListenerConfig>) {
        let before = unsafe countedCells(old)
        let after = unsafe countedCells(new)
        if let before, let after, before.isSame(as: after) { return }
        before?.letGo(index)
        after?.add(index)
        after?.hold(index)
    }
}

/// What a message that fails has to tell its sender, in the 56 bits of a token.
struct HandoverNote {
    static let workersMax = 1 << 10
    private static let descriptorBits: UInt64 = 24
    private static let slotBits: UInt64 = 22

    let descriptor: Int32
    let slot: UInt32
    private(set) var worker = 0

    /// Nil: too large a number for it.
    init?(descriptor: Int32, slot: UInt32) {
        guard descriptor >= 0, UInt64(UInt32(bitPattern: descriptor)) >> HandoverNote.descriptorBits == 0,
            UInt64(slot) >> HandoverNote.slotBits == 0
        else { return nil }
        self.descriptor = descriptor
        self.slot = slot
    }

    init(raw: UInt64) {
        descriptor = Int32(truncatingIfNeeded: raw & (1 << HandoverNote.descriptorBits &- 1))
        slot = UInt32(truncatingIfNeeded: raw >> HandoverNote.descriptorBits & (1 << HandoverNote.slotBits &- 1))
        worker = Int(truncatingIfNeeded: raw >> (HandoverNote.descriptorBits &+ HandoverNote.slotBits))
    }

    func raw(to worker: Int) -> UInt64 {
        UInt64(UInt32(bitPattern: descriptor)) | UInt64(slot) << HandoverNote.descriptorBits
            | UInt64(worker) << (HandoverNote.descriptorBits &+ HandoverNote.slotBits)
    }
}
