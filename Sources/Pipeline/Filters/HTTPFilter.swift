// The interface of an HTTP filter.
//
// One instance per worker and place in a chain: what it holds are configuration and per-worker state. What belongs to a
// stream lies in `stateBytes` bytes that the chain keeps for it, zeroed when the stream begins: so a request allocates
// nothing for its filters. Every call gets the worker and the stream; a filter that waits keeps the stream's handle and
// calls `worker.resumeRequest` or `resumeResponse` later, which finds out by itself whether the stream still lives.
//
// Order: requests pass the chain from first to last, responses from last to first. The terminal filter is the
// Forwarder, or a filter that answers by itself (`worker.reply`).

import Primitives
import Transport
import Wire

package enum HeadVerdict: UInt8 {
    /// On to the next filter.
    case proceed
    /// Not further for now; body parts still reach this filter.
    case stop
    /// Not further; the chain keeps the body until resumed. Beyond the buffer limit: 413 for requests, 500 for responses.
    case stopAndBuffer
    /// Not further; the chain keeps the body and stops reading at the buffer limit until resumed.
    case stopAndWatermark
}

package enum DataVerdict: UInt8 {
    case proceed
    /// The chain keeps what has come so far; beyond the buffer limit 413 or 500.
    case stopAndBuffer
    case stopAndWatermark
    /// The filter has taken what it wants out of `data`; nothing is kept.
    case stopWithoutBuffer
}

package enum TrailersVerdict: UInt8 { case proceed, stop }

/// Which parts of the body a filter wants to see. One that wants none costs nothing per body part.
package struct FilterInterest: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let requestHead = FilterInterest(rawValue: 1)
    package static let requestBody = FilterInterest(rawValue: 2)
    package static let responseHead = FilterInterest(rawValue: 4)
    package static let responseBody = FilterInterest(rawValue: 8)
}

package typealias StreamPointer = UnsafeMutablePointer<HTTPStream>

@safe
package class HTTPFilter {
    /// `http_filters[].name`.
    package let name: String
    /// Bytes per stream, zeroed.
    package let stateBytes: Int
    package let interest: FilterInterest
    /// Place in the chain, and where its bytes lie in the stream's state: set by the chain.
    package internal(set) var place: UInt16 = 0
    package internal(set) var stateOffset = 0

    package init(name: String, stateBytes: Int = 0, interest: FilterInterest) {
        self.name = name
        self.stateBytes = stateBytes
        self.interest = interest
    }

    /// This filter's bytes of the stream.
    package final func state(_ stream: StreamPointer) -> UnsafeMutableRawPointer {
        unsafe stream.pointee.filterState.unsafelyUnwrapped.base + stateOffset
    }

    /// The filter's configuration for the stream's route: its number in the chain's list, nil when the route has none.
    package final func routeConfig(_ stream: StreamPointer) -> UInt32? {
        guard let route = unsafe stream.pointee.route else { return nil }
        let configs = unsafe route.pointee.filterConfigs
        for i in 0..<configs.count where configs[i].filter == place && !configs[i].isDisabled { return configs[i].config }
        return nil
    }

    package func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict { .proceed }
    /// `data`: what came since the last call; the filter may take from it, replace it or add to it.
    package func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict { .proceed }
    package func requestTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict { .proceed }

    package func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict { .proceed }
    package func responseData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict { .proceed }
    package func responseTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict { .proceed }

    /// The stream is going: let go of what was asked for on its behalf. Called once for every stream that this filter saw.
    package func destroyed(_ worker: Worker, _ stream: StreamPointer) {}
}

/// Makes the instances of one filter: one per worker. Holds the parsed configuration; made by main.
package class HTTPFilterFactory {
    package let name: String
    package init(name: String) { self.name = name }
    package func make(_ worker: Worker) -> HTTPFilter { fatalError("HTTPFilterFactory.make is for subclasses") }
}

/// The filters of one `http_filters` list but the router, in order. Made and kept by main, read-only.
package final class FilterChainSpec {
    package let factories: [HTTPFilterFactory]
    package init(factories: [HTTPFilterFactory]) { self.factories = factories }
}
