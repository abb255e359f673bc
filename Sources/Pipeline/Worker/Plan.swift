// What workers read of the configuration: one plan at a time, published by main with one pointer.
//
// A plan is a list of parts (listeners, route tables, clusters, host sets) under stable slot numbers. A part is frozen
// plain memory; a new plan shares every part that did not change. Workers look at the plan pointer at the top of a turn
// and never keep a plan; what they keep longer than a turn they pin by part number (`Pins`).

import Primitives
import Transport
import Upstream

/// A number that a part has for its lifetime, in every plan that lists it.
package typealias PartID = UInt32

@safe
package struct ListenerSlot: BitwiseCopyable {
    package var part: PartID
    package var config: UnsafePointer<ListenerConfig>
    package init(part: PartID, config: UnsafePointer<ListenerConfig>) {
        self.part = part
        unsafe self.config = unsafe config
    }
}

@safe
package struct ClusterSlot: BitwiseCopyable {
    package var part: PartID
    package var config: UnsafePointer<ClusterConfig>
    package var hosts: UnsafePointer<HostSet>
    package init(part: PartID, config: UnsafePointer<ClusterConfig>, hosts: UnsafePointer<HostSet>) {
        self.part = part
        unsafe self.config = unsafe config
        unsafe self.hosts = unsafe hosts
    }
}

/// For `cluster_header` and for routes that name a cluster which was not there when they were compiled.
package struct ClusterName: BitwiseCopyable {
    package var name: Bytes
    package var slot: UInt32
    package init(name: Bytes, slot: UInt32) {
        self.name = name
        self.slot = slot
    }
}

/// A TLS context under the number that listeners and clusters know it by: a new certificate is a new part here, and
/// nothing else changes.
@safe
package struct TLSSlot: BitwiseCopyable {
    package var part: PartID
    /// Nil: nobody has this number.
    package var config: UnsafePointer<TLSContextConfig>?
    package init(part: PartID, config: UnsafePointer<TLSContextConfig>?) {
        self.part = part
        unsafe self.config = unsafe config
    }
}

package enum DrainState: UInt8, BitwiseCopyable {
    /// Serving.
    case none
    /// The process goes: nothing is accepted any more, idle connections are closed, responses say `Connection: close`.
    case closing
}

/// A listener part whose connections shall go elsewhere: its listener was removed, or `/drain_listeners?graceful`.
package struct DrainingPart: BitwiseCopyable {
    package var part: PartID
    /// When the drain began and when its time is over, in milliseconds of the monotonic clock.
    package var startMs: UInt64
    package var endMs: UInt64
    /// `--drain-strategy gradual`: the more of the time has passed, the more responses say `Connection: close`; else all.
    package var isGradual: Bool
    /// The listener is gone and its time is over: connections that are left are closed.
    package var isOver: Bool

    package init(part: PartID, startMs: UInt64, endMs: UInt64, isGradual: Bool, isOver: Bool) {
        self.part = part
        self.startMs = startMs
        self.endMs = endMs
        self.isGradual = isGradual
        self.isOver = isOver
    }
}

@safe
package struct Plan: BitwiseCopyable {
    /// Grows with every plan.
    package var version: UInt64 = 0
    package var listeners = FrozenArray<ListenerSlot>()
    /// Every address of every listener, those without a socket of their own included, sorted; empty where no listener
    /// hands connections to others.
    package var listenerAddresses = FrozenArray<ListenerAddress>()
    /// By slot, the place in `listeners`, −1: none; empty where the above is.
    package var listenerPlaces = FrozenArray<Int>()
    /// By slot; an empty place has a nil-like part of `noPart`.
    package var clusters = FrozenArray<ClusterSlot>()
    package var clusterPresent = FrozenArray<Bool>()
    /// Sorted by name (bytewise).
    package var clusterNames = FrozenArray<ClusterName>()
    package var tls = FrozenArray<TLSSlot>()
    /// Of files and secrets that formats write (`%FILE_CONTENT(…)%`, `%SECRET(…)%`), by slot.
    package var texts = FrozenArray<Bytes>()
    /// Parts that no plan lists any more and that some worker may still use.
    package var retired = FrozenArray<PartID>()
    package var drain = DrainState.none
    package var draining = FrozenArray<DrainingPart>()
    package init() {}
}
