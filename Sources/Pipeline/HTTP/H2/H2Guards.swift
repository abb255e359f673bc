// Floods: frames that cost us work and the peer nothing (CVE-2019-9511 … 9518). The limits are Envoy's options, and so are
// the counters and the sums. Envoy counts every frame that the peer has not taken; here what lies framed in the
// connection's queue is bounded by its bytes (`H2Session.outMax`), and the rest by these counts.
//
// Pure: counts go in, a verdict comes out; the session ends the connection for it.

import Primitives
import Wire

package struct H2Guards {
    package enum Flood: UInt8 { case none, emptyFrames, priorityFrames, windowUpdates, outbound, outboundControl }

    // Inbound.
    package var openedStreams: UInt64 = 0
    private var emptyFrames: UInt32 = 0
    private var priorityFrames: UInt64 = 0
    private var windowUpdates: UInt64 = 0
    private var dataFramesSent: UInt64 = 0
    /// Frames of control that nghttp2 holds: the connection's queue is full, or they came in this very turn.
    package private(set) var controlWaiting: UInt32 = 0
    package private(set) var flood = Flood.none

    // HOT: per frame.
    /// `isEmpty`: no payload.
    package mutating func received(type: UInt8, endStream: Bool, isEmpty: Bool, _ options: H2Options) {
        switch type {
        case 0, 1, 9:  // DATA, HEADERS, CONTINUATION
            emptyFrames = isEmpty && !endStream ? emptyFrames &+ 1 : 0
            if emptyFrames > options.emptyFramesMax { raise(.emptyFrames) }
        case 2:
            priorityFrames &+= 1
            if priorityFrames > UInt64(options.priorityFramesPerStreamMax) &* (1 &+ openedStreams) { raise(.priorityFrames) }
        case 8:
            windowUpdates &+= 1
            let allowed = 5 &+ 2 &* (openedStreams &+ UInt64(options.windowUpdatesPerDataFrameMax) &* dataFramesSent)
            if windowUpdates > allowed { raise(.windowUpdates) }
        default: break
        }
    }

    /// A frame of control that nghttp2 will send: an acknowledgement, or a reset.
    package mutating func owes(_ options: H2Options) {
        controlWaiting &+= 1
        if controlWaiting > options.outboundControlFramesMax { raise(.outboundControl) }
    }

    // HOT: per frame.
    package mutating func sent(type: UInt8) {
        switch type {
        case 0: dataFramesSent &+= 1
        default: left(type: type)
        }
    }

    /// nghttp2 holds the frame no longer, sent or given up.
    package mutating func left(type: UInt8) {
        // RST_STREAM, SETTINGS, PING
        if type == 3 || type == 4 || type == 6, controlWaiting > 0 { controlWaiting &-= 1 }
    }

    /// `waiting`: frames of any sort that nghttp2 holds.
    package mutating func look(waiting: Int, _ options: H2Options) {
        if waiting > Int(options.outboundFramesMax) { raise(.outbound) }
    }

    package init() {}

    private mutating func raise(_ what: Flood) { if flood == .none { flood = what } }
}

/// Rapid reset (CVE-2023-44487): requests that their client takes back at once.
package struct H2Resets {
    /// `overload.premature_reset_total_stream_count`, `overload.premature_reset_min_stream_lifetime_seconds`.
    package static let streamsMin: UInt64 = 500
    package static let lifetimeMinNs: UInt64 = 2_000_000_000

    package init() {}

    private var closed: UInt64 = 0
    private var premature: UInt64 = 0

    /// True: most of this connection's requests were taken back before they could be answered.
    package mutating func ended(lifetimeNs: UInt64, hasStatus: Bool, wasReset: Bool) -> Bool {
        closed &+= 1
        // Envoy compares whole seconds with 1: what lived for less than two is premature.
        guard wasReset, !hasStatus, lifetimeNs < H2Resets.lifetimeMinNs else { return false }
        premature &+= 1
        return premature &* 2 >= max(closed, H2Resets.streamsMin)
    }
}

struct H2Drain {
    enum Phase: UInt8 { case serving, noticed, refusing }
    var phase = Phase.serving
    /// The second GOAWAY, that names the last stream, is due then.
    var atMs: UInt64 = 0
    var closeAtMs: UInt64 = 0
    /// Until when a peer that was told that all is over may take its time.
    var lingerUntilMs: UInt64 = 0
}

struct H2Keepalive {
    /// When the next PING goes; 0: none.
    var pingAtMs: UInt64 = 0
    /// When an acknowledgement must have come; 0: none is owed.
    var deadlineMs: UInt64 = 0
    /// When a frame came last.
    var heardMs: UInt64 = 0
    var count: UInt64 = 0
}

@safe
struct H2PoolState {
    var isPooled = false
    /// Its handshake says whether it stays one of HTTP/2.
    var isAuto = false
    var next = Handle.none
    var previous = Handle.none
    var isConnecting = false
    /// Whose requests it carries (`UpstreamIdentity`).
    var key: UInt64 = 0
    /// `Host.drains` when the connection was opened.
    var drains: UInt64 = 0
    /// GOAWAY came, or it is worn out: no more requests.
    var isDraining = false
    /// Of its newest stream.
    var lastID: Int32 = 0
    var closeAtMs: UInt64 = 0
    /// Our end of the connection, for logs.
    var localAddress = SocketAddress()
    /// What it counts for in `Connectivity`.
    var capacity: Int64 = 0
    /// `SETTINGS_MAX_CONCURRENT_STREAMS` of the peer, and what configuration lets.
    var streamsMax: UInt32 = 0
}
