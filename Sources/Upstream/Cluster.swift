// A cluster as one worker sees it: its hosts and its balancer's state.

import Primitives
import Transport

@frozen public enum Priority: UInt8, BitwiseCopyable { case normal, high }

@safe
package struct Cluster {
    package let config: UnsafePointer<ClusterConfig>
    package private(set) var set: UnsafePointer<HostSet>
    /// Handles of the set's hosts, by index.
    private var hosts: PlainArray<UInt64>
    private var main: LevelBalancers?
    /// By the set's subsets; nil: nobody has asked for it yet.
    private var subsetStates: PlainArray<UnsafeMutablePointer<LevelBalancers>?>
    /// Whether the host that was chosen last came from a level in panic.
    package private(set) var choseInPanic = false
    /// How zones counted for that choice.
    package private(set) var zoneOutcome: ZoneOutcome = []
    /// How it was found, where there are subsets.
    package internal(set) var subsetOutcome = SubsetOutcome.none

    /// No plan lists it any more, or another in its place.
    package var isRemoved = false
    /// Hosts that were made for it and have not been freed.
    package var liveHosts = 0
    /// Of an ORIGINAL_DST cluster, and when they are looked through next, in milliseconds; 0: there are none.
    package var originals: OriginalHosts?
    package var sweepMs: UInt64 = 0

    package init(config: UnsafePointer<ClusterConfig>, set: UnsafePointer<HostSet>) {
        unsafe self.config = unsafe config
        unsafe self.set = unsafe set
        hosts = unsafe PlainArray(capacity: max(set.pointee.hosts.count, 1))
        unsafe subsetStates = PlainArray(capacity: 1)
    }

    package mutating func destroy() {
        destroyBalancers()
        unsafe subsetStates.destroy()
        hosts.destroy()
        originals?.destroy()
    }

    package var hostCount: Int { hosts.count }
    package func host(at index: Int) -> Handle { Handle(raw: hosts[index]) }
    @inline(__always)
    package func host(_ index: Int) -> Handle { Handle(raw: hosts[index]) }

    /// Takes over a host set. Hosts that stay keep their `Host`; those that go are returned to be drained by the caller.
    /// `place`: where this cluster lies; its hosts point there. `moved` tells of each host's old and new part (`.max`: none), for the caller to pin.
    package mutating func adopt(
        _ new: UnsafePointer<HostSet>, at place: UnsafeMutablePointer<Cluster>, slab: inout Slab<Host>,
        random: inout Random, nowMs: UInt64 = 0, moved: (_ from: UInt32, _ to: UInt32) -> Void, removed: (Handle) -> Void
    ) {
        let part = unsafe new.pointee.part
        let old = hosts
        var next = unsafe PlainArray<UInt64>(capacity: max(new.pointee.hosts.count, 1))
        for i in unsafe 0..<new.pointee.hosts.count {
            let config = unsafe new.pointee.hosts[i]
            var kept: UInt64?
            // Quadratic only where hosts moved: the common update keeps most of them in place.
            let order = i < old.count ? i : 0
            for step in 0..<old.count {
                let j = (order + step) % old.count
                guard old[j] != 0, let host = unsafe slab[Handle(raw: old[j])],
                    unsafe host.pointee.config.address == config.address || (host.pointee.config.isLogical && config.isLogical),
                    unsafe host.pointee.config.priority == config.priority
                else { continue }
                unsafe moved(host.pointee.part, part)
                unsafe host.pointee.config = config
                unsafe host.pointee.part = part
                kept = old[j]
                old[j] = 0
                break
            }
            if let kept {
                next.append(kept)
            } else if let (handle, host) = unsafe slab.allocate() {
                unsafe host.initialize(to: Host(handle: handle, config: config, cluster: place))
                liveHosts &+= 1
                unsafe host.pointee.part = part
                moved(.max, part)
                next.append(handle.raw)
            } else {
                next.append(0)
            }
        }
        for j in 0..<old.count where old[j] != 0 {
            if let host = unsafe slab[Handle(raw: old[j])] {
                unsafe host.pointee.isRemoved = true
                unsafe removed(host.pointee.handle)
            }
        }
        old.destroy()
        hosts = next
        unsafe set = unsafe new
        destroyBalancers()
        main = unsafe LevelBalancers(
            new.pointee.levels, hosts: new.pointee.hosts, config.pointee.balancerOptions, nowMs: nowMs, random: &random)
        for _ in unsafe 0..<new.pointee.subsets.subsets.count { unsafe subsetStates.append(nil) }
    }

    private mutating func destroyBalancers() {
        main?.destroy()
        main = nil
        for i in unsafe 0..<subsetStates.count {
            guard let state = unsafe subsetStates[i] else { continue }
            unsafe state.pointee.destroy()
            unsafe state.deallocate()
        }
        unsafe subsetStates.removeAll()
    }

    // HOT: per request.
    /// The host for the next request; nil when there is none that may serve. `hash`: what a hashing policy goes by, nil
    /// when the request has none; it chooses the level too, so that equal requests meet. `attempt`: hosts refused before.
    /// `criteria`: what the route asks of hosts' metadata, for clusters with subsets.
    package mutating func choose(
        slab: Slab<Host>, random: inout Random, hash: UInt64? = nil, attempt: UInt32 = 0, nowMs: UInt64 = 0,
        criteria: UnsafePointer<MetadataCriteria>? = nil
    ) -> UnsafeMutablePointer<Host>? {
        choseInPanic = false
        zoneOutcome = []
        subsetOutcome = .none
        let isHashing = unsafe config.pointee.policy.isHashing
        let ask = ClusterAsk(hash: isHashing ? hash ?? random.next() : 0, attempt: attempt, nowMs: nowMs)
        if let rules = unsafe config.pointee.subsets {
            return unsafe choose(rules, criteria, ask, slab, &random)
        }
        let hosts = hosts
        let choice = main?.choose(random: &random, hash: ask.hash, attempt: ask.attempt, nowMs: ask.nowMs) { index in
            unsafe slab[Handle(raw: hosts[Int(index)])]?.pointee.activeRequests ?? .max
        }
        choseInPanic = choice?.isPanicking ?? false
        zoneOutcome = choice?.zone ?? []
        guard let index = choice?.host else { return nil }
        return unsafe slab[Handle(raw: hosts[Int(index)])]
    }

    /// The host that the choice after the next one falls on, where that can be known: not by requests or their hashes, and
    /// not with subsets.
    package mutating func peek(slab: Slab<Host>, random: inout Random, nowMs: UInt64) -> UnsafeMutablePointer<Host>? {
        let policy = unsafe config.pointee.policy
        guard policy == .roundRobin || policy == .random, unsafe config.pointee.subsets == nil,
            let index = main?.peek(random: &random, nowMs: nowMs)
        else { return nil }
        return unsafe slab[Handle(raw: hosts[Int(index)])]
    }

    /// From the hosts of one subset; nil: it has none that may serve.
    mutating func choose(
        subset number: UInt32, _ ask: ClusterAsk, _ slab: Slab<Host>, _ random: inout Random
    ) -> UnsafeMutablePointer<Host>? {
        guard unsafe Int(number) < set.pointee.subsets.subsets.count, let balancers = unsafe subsetBalancers(number, ask.nowMs, &random)
        else { return nil }
        let hosts = hosts
        let choice = unsafe balancers.pointee.choose(
            random: &random, hash: ask.hash, attempt: ask.attempt, nowMs: ask.nowMs
        ) { index in
            unsafe slab[Handle(raw: hosts[Int(index)])]?.pointee.activeRequests ?? .max
        }
        choseInPanic = choseInPanic || choice.isPanicking
        zoneOutcome.formUnion(choice.zone)
        guard let index = choice.host else { return nil }
        return unsafe slab[Handle(raw: hosts[Int(index)])]
    }

    /// Made with the first request for the subset.
    private mutating func subsetBalancers(
        _ number: UInt32, _ nowMs: UInt64, _ random: inout Random
    ) -> UnsafeMutablePointer<LevelBalancers>? {
        guard unsafe Int(number) < subsetStates.count else { return nil }
        if let made = unsafe subsetStates[Int(number)] { return unsafe made }
        let made = UnsafeMutablePointer<LevelBalancers>.allocate(capacity: 1)
        unsafe made.initialize(
            to: LevelBalancers(
                set.pointee.subsets.subsets[Int(number)].levels, hosts: set.pointee.hosts, config.pointee.balancerOptions,
                nowMs: nowMs, random: &random))
        unsafe subsetStates[Int(number)] = unsafe made
        return unsafe made
    }
}

/// What decides a choice besides the cluster's state.
struct ClusterAsk: BitwiseCopyable {
    var hash: UInt64
    var attempt: UInt32
    var nowMs: UInt64
}
