// A cluster as one worker sees it: its hosts and its balancer's state.

import Primitives
import Transport

package enum Priority: UInt8, BitwiseCopyable { case normal, high }

@safe
package struct Cluster {
    package let config: UnsafePointer<ClusterConfig>
    package private(set) var set: UnsafePointer<HostSet>
    /// Handles of the set's hosts, by index.
    private var hosts: PlainArray<UInt64>
    private var balancers: PlainArray<UnsafeMutablePointer<Balancer>>
    /// Whether the host that was chosen last came from a level in panic.
    package private(set) var choseInPanic = false

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
        unsafe balancers = unsafe PlainArray(capacity: max(set.pointee.levels.count, 1))
    }

    package mutating func destroy() {
        for i in unsafe 0..<balancers.count {
            unsafe balancers[i].pointee.destroy()
            unsafe balancers[i].deallocate()
        }
        unsafe balancers.destroy()
        hosts.destroy()
        originals?.destroy()
    }

    package var hostCount: Int { hosts.count }
    @inline(__always)
    package func host(_ index: Int) -> Handle { Handle(raw: hosts[index]) }

    /// Takes over a host set. Hosts that stay keep their `Host`; those that go are returned to be drained by the caller.
    /// `place`: where this cluster lies; its hosts point there. `moved` tells of each host's old and new part (`.max`: none), for the caller to pin.
    package mutating func adopt(
        _ new: UnsafePointer<HostSet>, at place: UnsafeMutablePointer<Cluster>, slab: inout Slab<Host>,
        random: inout Random, moved: (_ from: UInt32, _ to: UInt32) -> Void, removed: (Handle) -> Void
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
        for i in unsafe 0..<balancers.count {
            unsafe balancers[i].pointee.destroy()
            unsafe balancers[i].deallocate()
        }
        unsafe balancers.removeAll()
        for i in unsafe 0..<new.pointee.levels.count {
            let balancer = UnsafeMutablePointer<Balancer>.allocate(capacity: 1)
            unsafe balancer.initialize(
                to: Balancer(
                    level: new.pointee.levels[i], hosts: new.pointee.hosts, policy: config.pointee.policy,
                    choiceCount: config.pointee.choiceCount, activeRequestBias: config.pointee.activeRequestBias,
                    scansAll: config.pointee.scansAllHosts, balanceFactor: config.pointee.hashing.balanceFactor,
                    random: &random))
            unsafe balancers.append(balancer)
        }
    }

    // HOT: per request.
    /// The host for the next request; nil when there is none that may serve. `hash`: what a hashing policy goes by, nil
    /// when the request has none; it chooses the level too, so that equal requests meet. `attempt`: hosts refused before.
    package mutating func choose(
        slab: Slab<Host>, random: inout Random, hash: UInt64? = nil, attempt: UInt32 = 0
    ) -> UnsafeMutablePointer<Host>? {
        var level = 0
        let isHashing = unsafe config.pointee.policy.isHashing
        let hash = isHashing ? hash ?? random.next() : 0
        if unsafe balancers.count > 1 {
            var ticket = UInt32(truncatingIfNeeded: isHashing ? hash % 100 : random.below(100))
            while unsafe level < balancers.count {
                let load = unsafe balancers[level].pointee.level.load
                if ticket < load { break }
                ticket &-= load
                level &+= 1
            }
        }
        guard unsafe level < balancers.count else { return nil }
        let hosts = hosts
        choseInPanic = unsafe balancers[level].pointee.level.isPanicking
        guard
            let index = unsafe balancers[level].pointee.choose(
                random: &random, hash: hash, attempt: attempt,
                active: { index in
                    unsafe slab[Handle(raw: hosts[Int(index)])]?.pointee.activeRequests ?? .max
                })
        else { return nil }
        return unsafe slab[Handle(raw: hosts[Int(index)])]
    }

}
