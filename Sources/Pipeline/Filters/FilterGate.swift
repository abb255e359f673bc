// Where a message stands at one filter, in one direction: what the chain has kept for the filter and why.
//
// A gate lies in the stream's filter state, zeroed when the stream begins: zero means "nothing has come so far".

import Primitives
import Transport

package enum FilterDirection { case request, response }

@safe
struct FilterGate {
    /// Body that waits here, in order.
    var held: ByteQueue
    /// The route has this filter disabled.
    var isSkipped: Bool
    /// The head waits here.
    var headIsStopped: Bool
    /// Body and trailers are kept without the filter having seen them (`stopAndBuffer`, `stopAndWatermark` for the head).
    var keepsUnseen: Bool
    /// The filter has seen what is held, and stopped it.
    var bodyIsStopped: Bool
    /// Beyond the limit the source is paused; else the message is refused.
    var stopsReading: Bool
    /// The message's end has come as far as this filter and waits here.
    var endWaits: Bool
    /// So have the trailers.
    var trailersWait: Bool
    /// The filter has ended the message by itself (`inject`): what still comes is dropped.
    var isOver: Bool
    /// The filter resumed while the chain was running: done when it has unwound.
    var resumeIsDue: Bool

    var isStopped: Bool { headIsStopped || keepsUnseen || bodyIsStopped || endWaits || trailersWait }
}

/// One worker's instances of a filter chain.
@safe
package final class WorkerFilterChain {
    /// `HTTPConfig.filterChainSerial`
    let serial: UInt64
    let filters: [HTTPFilter]
    /// Streams whose filters these are.
    var streamCount = 0
    /// No listener of the current plan has this chain: it goes with its last stream.
    var isRetired = false
    private let disabled: [Bool]
    let stateBytes: Int
    let interest: FilterInterest

    init(_ spec: FilterChainSpec, serial: UInt64, _ worker: Worker) {
        self.serial = serial
        var offset = 2 &* spec.factories.count &* MemoryLayout<FilterGate>.stride
        offset = (offset + 15) & ~15
        var interest = FilterInterest()
        disabled = spec.factories.map(\.isDisabled)
        filters = spec.factories.enumerated().map { place, factory in
            let filter = factory.make(worker)
            filter.place = UInt16(truncatingIfNeeded: place)
            filter.stateOffset = offset
            offset += (filter.stateBytes + 15) & ~15
            interest.formUnion(filter.interest)
            return filter
        }
        stateBytes = offset
        self.interest = interest
    }

    /// Filters in the order of a direction: step 0 is the one that sees the message first.
    @inline(__always)
    func place(_ direction: FilterDirection, _ step: Int) -> Int {
        direction == .request ? step : filters.count &- 1 &- step
    }

    @inline(__always)
    func filter(_ direction: FilterDirection, _ step: Int) -> HTTPFilter { filters[place(direction, step)] }

    @inline(__always)
    func gate(_ direction: FilterDirection, _ step: Int, _ stream: StreamPointer) -> UnsafeMutablePointer<FilterGate> {
        let gates = unsafe stream.pointee.filterState.unsafelyUnwrapped.base.assumingMemoryBound(to: FilterGate.self)
        return unsafe gates + (direction == .request ? step : filters.count &+ place(direction, step))
    }

    /// Which filters the stream's route has switched off. Decided once per stream, when its route is known.
    func skipDisabled(_ stream: StreamPointer) {
        for step in 0..<filters.count where unsafe isDisabled(step, stream) {
            unsafe gate(.request, step, stream).pointee.isSkipped = true
            unsafe gate(.response, filters.count &- 1 &- step, stream).pointee.isSkipped = true
        }
    }

    private func isDisabled(_ place: Int, _ stream: StreamPointer) -> Bool {
        if let entry = unsafe stream.pointee.chosen,
            let verdict = WorkerFilterChain.isDisabled(place, unsafe entry.pointee.filterConfigs)
        {
            return verdict
        }
        if let route = unsafe stream.pointee.route,
            let verdict = WorkerFilterChain.isDisabled(place, unsafe route.pointee.filterConfigs)
        {
            return verdict
        }
        return disabled[place]
    }

    /// Nil: these levels do not say.
    private static func isDisabled(_ place: Int, _ configs: FrozenArray<RouteFilterConfig>) -> Bool? {
        for i in 0..<configs.count where configs[i].filter == place { return configs[i].isDisabled }
        return nil
    }

    func heldBytes(_ direction: FilterDirection, _ stream: StreamPointer) -> Int {
        var bytes = 0
        for step in 0..<filters.count { unsafe bytes &+= gate(direction, step, stream).pointee.held.count }
        return bytes
    }

    func removeHeld(_ direction: FilterDirection, _ stream: StreamPointer, _ memory: Memory) {
        for step in 0..<filters.count { unsafe gate(direction, step, stream).pointee.held.removeAll(memory) }
    }
}
