// The interface of an HTTP filter. docs/extensions.md shows how to write one.
//
// One instance per worker and place in a chain: what it holds are configuration and per-worker state. What belongs to a
// stream lies in `stateBytes` bytes that the chain keeps for it, zeroed when the stream begins: so a request allocates
// nothing for its filters. Every call gets the worker and the stream; a filter that waits keeps the stream's handle and
// calls `worker.resumeRequest` or `resumeResponse` later, which finds out by itself whether the stream still lives.
//
// Order: requests pass the chain from first to last, responses from last to first. The terminal filter is the
// Forwarder, or a filter that answers by itself (`worker.reply`). After `worker.reply`, `worker.recreate` or
// `worker.downstreamOutOfMemory` the stream may be gone: a filter returns at once, whatever its verdict.

import Primitives
import Transport
import Wire

public enum HeadVerdict: UInt8 {
    /// On to the next filter.
    case proceed
    /// Not further for now; body parts still reach this filter, and its `.proceed` for one lets head and body go on.
    case stop
    /// Not further; the chain keeps body and trailers, unseen, until resumed: then this filter sees them.
    /// Beyond the buffer limit: 413 for requests, 500 for responses.
    case stopAndBuffer
    /// As before, but beyond the buffer limit the chain stops reading instead.
    case stopAndWatermark
    /// On to the next filter, but the message does not end with its head: the filter adds a body (`inject`) or ends it
    /// later (`resume…`). Means `proceed` for a head that does not end the message.
    case proceedAndHoldEnd
}

public enum DataVerdict: UInt8 {
    /// What the chain has kept for this filter and `data` go on; so does a head that it had stopped.
    case proceed
    /// The chain keeps `data` behind what it has kept already; beyond the buffer limit 413 or 500.
    case stopAndBuffer
    /// As before, but beyond the buffer limit the chain stops reading instead.
    case stopAndWatermark
    /// The filter has taken what it wants out of `data`; nothing of it is kept.
    case stopWithoutBuffer
}

public enum TrailersVerdict: UInt8 { case proceed, stop }

/// Which parts of a message a filter wants to see. One that wants no body costs nothing per body part. Who sees a body
/// sees the trailers behind it too.
public struct FilterInterest: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let requestHead = FilterInterest(rawValue: 1)
    public static let requestBody = FilterInterest(rawValue: 2)
    public static let responseHead = FilterInterest(rawValue: 4)
    public static let responseBody = FilterInterest(rawValue: 8)
    public static let requestTrailers = FilterInterest(rawValue: 16)
    public static let responseTrailers = FilterInterest(rawValue: 32)
}

public typealias StreamPointer = UnsafeMutablePointer<HTTPStream>

@safe
open class HTTPFilter {
    /// `http_filters[].name`.
    package let name: String
    /// Bytes per stream, zeroed.
    package let stateBytes: Int
    package let interest: FilterInterest
    /// Place in the chain, and where its bytes lie in the stream's state: set by the chain.
    package internal(set) var place: UInt16 = 0
    package internal(set) var stateOffset = 0

    public init(name: String, stateBytes: Int = 0, interest: FilterInterest) {
        self.name = name
        self.stateBytes = stateBytes
        self.interest = interest
    }

    /// This filter's bytes of the stream.
    package final func state(_ stream: StreamPointer) -> UnsafeMutableRawPointer {
        unsafe stream.pointee.filterState.unsafelyUnwrapped.base + stateOffset
    }

    /// The filter's configuration for the stream's route, of the most specific level that has one: the number that
    /// `addRoute` gave. Nil when the route has none.
    package final func routeConfig(_ stream: StreamPointer) -> UInt32? {
        if let entry = unsafe stream.pointee.chosen, let config = unsafe first(of: entry.pointee.filterConfigs) { return config }
        return unsafe stream.pointee.route.flatMap { unsafe first(of: $0.pointee.filterConfigs) }
    }

    private func first(of configs: FrozenArray<RouteFilterConfig>) -> UInt32? {
        for i in 0..<configs.count where configs[i].filter == place && configs[i].config != RouteFilterConfig.none {
            return configs[i].config
        }
        return nil
    }

    /// Calls `body` with the configuration of every level that has one, from the most specific (the weighted cluster, then
    /// the route) to the least.
    package final func eachRouteConfig(_ stream: StreamPointer, _ body: (UInt32) -> Void) {
        if let entry = unsafe stream.pointee.chosen { each(unsafe entry.pointee.filterConfigs, body) }
        if let route = unsafe stream.pointee.route { each(unsafe route.pointee.filterConfigs, body) }
    }

    private func each(_ configs: FrozenArray<RouteFilterConfig>, _ body: (UInt32) -> Void) {
        for i in 0..<configs.count where configs[i].filter == place && configs[i].config != RouteFilterConfig.none {
            body(configs[i].config)
        }
    }

    open func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict { .proceed }
    /// `data`: what came since the last call; the filter may take from it, replace it or add to it.
    /// `endStream`: nothing follows. `data` may be empty then.
    open func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict { .proceed }
    /// The trailers lie in `stream.requestTrailers`. `.proceed` lets go on whatever the chain has kept for this filter.
    open func requestTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict { .proceed }

    open func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict { .proceed }
    open func responseData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict { .proceed }
    open func responseTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict { .proceed }

    /// The next piece of the response that this filter has begun (`Worker.beginResponse`): one call of
    /// `Worker.sendProduced`, or none when the turn's time is up.
    open func produce(_ worker: Worker, _ stream: StreamPointer) -> ProduceVerdict { .finished }

    /// A call of this filter (`worker.openCall`) is over. The call's stream goes when this returns: take what is wanted.
    /// Never called once the stream is destroyed, nor from inside `startCall`.
    open func callFinished(_ worker: Worker, _ stream: StreamPointer, _ call: FinishedCall) {}

    /// The stream is going: let go of what was asked for on its behalf. Called once for every stream whose chain has
    /// this filter enabled, whether or not the filter saw anything of it.
    open func destroyed(_ worker: Worker, _ stream: StreamPointer) {}
}

/// Makes the instances of one filter: one per worker. Holds the parsed configuration; made by main.
open class HTTPFilterFactory {
    package let name: String
    /// `http_filters[].disabled`: only routes that say so have the filter.
    package var isDisabled = false
    public init(name: String) { self.name = name }
    open func make(_ worker: Worker) -> HTTPFilter { fatalError("HTTPFilterFactory.make is for subclasses") }
}

/// The filters of one `http_filters` list but the router, in order. Made and kept by main, read-only.
package final class FilterChainSpec {
    package let factories: [HTTPFilterFactory]
    package init(factories: [HTTPFilterFactory]) { self.factories = factories }
}
