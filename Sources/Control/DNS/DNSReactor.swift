// c-ares on main's ring: its sockets are polled there, its time-outs and the clusters' refreshes are timers of main.
//
// Owner: main. c-ares says which of its sockets it wants to hear of (`socketChanged`); a poll is armed for one event at
// a time, and what it says is handed back (`polled`). Tokens carry a number that grows, so that the poll of a socket
// that was closed meanwhile is recognised.

import CLiburing
import Glibc
import Pipeline
import Primitives
import Ring
import Stats
import StatsStore
import Transport

/// A deadline of main with what to do then.
@safe
final class ControlTimer {
    private let node = UnsafeMutablePointer<TimerNode>.allocate(capacity: 1)
    private unowned let reactor: DNSReactor
    private let number: UInt32
    fileprivate let fire: () -> Void

    fileprivate init(_ reactor: DNSReactor, number: UInt32, fire: @escaping () -> Void) {
        self.reactor = reactor
        self.number = number
        self.fire = fire
        unsafe node.initialize(
            to: TimerNode(token: Operation.other.token(Handle(slot: number, generation: DNSReactor.timerMark))))
    }

    func arm(afterMs milliseconds: UInt64) {
        unsafe reactor.worker.timers.arm(node, at: reactor.worker.nowMs &+ max(1, milliseconds))
    }

    func cancel() { unsafe reactor.worker.timers.cancel(node) }

    /// It never fires again.
    func end() {
        cancel()
        reactor.forget(number)
        unsafe node.deallocate()
    }
}

package final class DNSReactor {
    /// Tells these timers from others of main.
    static let timerMark: UInt32 = 0xd0_0d

    let worker: Worker
    private let registry: StatRegistry
    /// There with the first look-up: who looks nothing up has no such statistics.
    private lazy var stats = registry.scope("dns.cares.", DNSStat.self)
    private struct Watch {
        unowned let channel: DNSChannel
        var events: UInt32
        var generation: UInt32
        var isArmed: Bool
    }
    private var watches: [Int32: Watch] = [:]
    private var generation: UInt32 = 0
    private var timers: [UInt32: ControlTimer] = [:]
    private var nextTimer: UInt32 = 0
    private var channels: [DNSResolverOptions: DNSChannel] = [:]

    package init(_ worker: Worker, _ registry: StatRegistry) {
        self.worker = worker
        self.registry = registry
    }

    func channel(_ options: DNSResolverOptions) -> DNSChannel {
        if let channel = channels[options] { return channel }
        let channel = DNSChannel(self, options)
        channels[options] = channel
        return channel
    }

    func count(_ leaf: DNSStat) { worker.cells.increment(stats[leaf]) }
    func pending(_ change: Int64) { worker.cells.gaugeAdd(stats[.pendingResolutions], change) }

    // MARK: Timers

    func timer(_ fire: @escaping () -> Void) -> ControlTimer {
        nextTimer &+= 1
        let timer = ControlTimer(self, number: nextTimer, fire: fire)
        timers[nextTimer] = timer
        return timer
    }

    fileprivate func forget(_ number: UInt32) { timers[number] = nil }

    /// True when the timer was one of these.
    package func fired(_ token: UInt64) -> Bool {
        let handle = Handle(raw: token)
        guard handle.generation == DNSReactor.timerMark else { return false }
        timers[handle.slot]?.fire()
        return true
    }

    // MARK: Sockets

    func socketChanged(_ channel: DNSChannel, _ descriptor: Int32, readable: Bool, writable: Bool) {
        let events = UInt32(readable ? POLLIN : 0) | UInt32(writable ? POLLOUT : 0)
        if let watch = watches[descriptor] {
            if watch.channel === channel, watch.events == events { return }
            // The poll holds the socket open: a closed one must be let go of.
            if watch.isArmed {
                unsafe martlet_prep_cancel(worker.ring.entry(), token(descriptor, watch.generation), Operation.cancel.token(.none))
            }
        }
        guard events != 0 else {
            watches[descriptor] = nil
            return
        }
        generation = (generation &+ 1) & 0xff_ffff
        watches[descriptor] = Watch(channel: channel, events: events, generation: generation, isArmed: false)
        arm(descriptor)
    }

    private func token(_ descriptor: Int32, _ generation: UInt32) -> UInt64 {
        Operation.poll.token(Handle(slot: UInt32(bitPattern: descriptor), generation: generation))
    }

    private func arm(_ descriptor: Int32) {
        guard let watch = watches[descriptor], !watch.isArmed else { return }
        watches[descriptor]?.isArmed = true
        unsafe martlet_prep_poll(worker.ring.entry(), descriptor, watch.events, token(descriptor, watch.generation))
    }

    /// A poll has completed.
    package func polled(_ completion: Completion) {
        let handle = Handle(raw: completion.user_data)
        let descriptor = Int32(bitPattern: handle.slot)
        guard let watch = watches[descriptor], watch.generation == handle.generation else { return }
        watches[descriptor]?.isArmed = false
        guard completion.result >= 0 else { return }
        let events = UInt32(completion.result)
        let failed = events & UInt32(POLLERR | POLLHUP) != 0
        watch.channel.process(
            descriptor, readable: failed || events & UInt32(POLLIN) != 0, writable: events & UInt32(POLLOUT) != 0)
        arm(descriptor)
    }
}
