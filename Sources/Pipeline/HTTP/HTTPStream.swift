// One request and its response, from the first byte of the head to the last byte of the answer.
//
// Owner: one worker, in its stream slab. Downstream codec, filter chain and forwarder all work on this one object; the
// codecs produce the same events for every protocol, so nothing here knows HTTP/1 from HTTP/2. Trivial on purpose.
// Invariant: `request` holds a head from `streamOpened` on, `response` from the response's head on.

import Primitives
import Routing
import Transport
import Wire

@safe
public struct HTTPStream {
    package var handle = Handle.none
    /// The downstream connection; none once it is gone.
    package var downstream = Handle.none
    package private(set) var http: UnsafePointer<HTTPConfig>
    /// What its router is configured by: `http`, but a mirror's is its request's (Envoy), in the part that the mirror pins.
    var router: UnsafePointer<HTTPConfig>
    package var request: MessageHead
    package var response: MessageHead
    package var hasResponseHead = false
    /// Trailers to pass on; present when the flag says so.
    package var requestTrailers: MessageHead?
    package var responseTrailers: MessageHead?

    // Route.
    package var route: UnsafePointer<RouteConfig>?
    package var routeResult: RouteMatchResult?
    /// The cluster that was chosen.
    package var clusterSlot = RouteConfig.noSlot
    package var chosen: UnsafePointer<RouteCluster>?
    package var virtualCluster: UnsafePointer<VirtualClusterConfig>?
    package var random: UInt64 = 0

    // Forwarder.
    /// The host that was chosen.
    package var host: Handle = .none
    /// The connection that carries the request; none while waiting for one.
    package var upstream: Handle = .none
    /// The codecs' own entries of the stream, where the protocol has such (HTTP/2).
    package var downstreamCodec = Handle.none
    package var upstreamCodec = Handle.none
    /// METADATA of the request that waits for an upstream of HTTP/2 (`H2Metadata`).
    package var metadata = Handle.none
    /// It goes to a connection of HTTP/2, or to one whose handshake says what it speaks.
    package var wantsHTTP2 = false
    /// The connection that took it last speaks HTTP/2.
    package var upstreamIsHTTP2 = false
    /// The part that `http` lies in, pinned while other requests of the connection may follow a newer one.
    package var pinnedPart = UInt32.max
    /// `:protocol` of an extended CONNECT.
    package var connectProtocol = Span32()
    package var droppedUnderscores: UInt32 = 0
    package var nextPending: Handle = .none
    package var previousPending: Handle = .none
    package var isPending = false
    /// Connections with this key may carry it; 0: those of anybody.
    var poolKey: UInt64 = 0
    /// A connection is under way for it, where connections have keys.
    var hasOwnConnection = false
    package var attempt: UInt16 = 0
    package var requestHeadDone = false
    package var requestEnded = false
    package var responseHeadSent = false
    package var responseEnded = false
    /// The response began before the request had ended.
    package var respondedEarly = false
    package var isLocalReply = false
    package var isHead = false
    package var isUpgrade = false
    package var isTunnel = false
    package var isCountedUpgrade = false
    /// Its answer is among the statistics.
    package var isAnswerCounted = false
    /// The connection closes, but not at once (delayed close), although the request is complete.
    package var delaysClose = false
    package var isConnect = false
    /// A CONNECT or POST that ends here (`connect_config`): the upstream connection carries what the client sends, no HTTP.
    package var isTCP = false
    /// The client speaks gRPC: answers of ours are gRPC's.
    package var isGRPC = false
    /// What goes to the upstream is gRPC.
    package var isGRPCUpstream = false
    /// The host's account of the request waits for `grpc-status` in the trailers.
    package var successIsOpen = false
    /// Of the last interim response that the client was sent: what logs show for a code until there is an answer; 0: none.
    var interimStatus: UInt16 = 0
    package var isInternal = false
    package var isDestroyed = false
    /// The downstream connection closes behind this response.
    package var closesDownstream = false
    package var responseIsChunked = false
    package var requestIsChunked = false
    /// The body's length, where it is known before its end.
    package var requestLength: UInt64?
    package var responseLength: UInt64?
    /// What the head that went out still promises of the body, where it says a length: filters may have changed the body.
    package var requestLeft: UInt64?
    package var responseLeft: UInt64?
    /// The response has no content, whatever a filter gives it: to HEAD, 204, 304 (RFC 9112 §6.3).
    package var responseIsBare = false

    /// Whether the request is in the statistics yet.
    package var isCounted = false
    /// Whether cluster and host count the request as active, and under which priority.
    package var isCountedUpstream = false
    package var upstreamIsHigh = false
    /// Attached to a connection.
    package var isOnUpstream = false
    package var requestHeadForwarded = false
    package var requestHeadSent = false
    /// The request has moved to another connection once, after a keep-alive race.
    package var wasMoved = false
    /// An interim response (1xx) has come.
    package var sawInterim = false
    /// The connection's count of sent bytes when the request was attached.
    package var upstreamSentBefore: UInt64 = 0
    package var upstreamReceivedBefore: UInt64 = 0
    package var upstreamBodySent: UInt64 = 0
    package var timeoutMs: UInt64 = 0
    package var perTryTimeoutMs: UInt64 = 0
    /// `x-envoy-upstream-rq-timeout-alt-response`: a timeout is answered with 204.
    package var timeoutIsNoContent = false
    package var retry = RetryState()
    package var redirects = RedirectState()
    /// Attempts under way beside the stream's own, newest first, linked through them.
    package var firstHedge = Handle.none
    package var nextHedge = Handle.none
    /// This object is such an attempt, of that request.
    package var hedgeOf = Handle.none
    /// Rules of the route's hash policy, a bit each, that have made a cookie.
    package var hashCookies: UInt64 = 0
    /// Part number of the cluster whose active retries count this one.
    package var retryClusterPart: UInt32 = 0
    /// Body that the filters have let go and that waits for an upstream connection.
    package var waitingBody = ByteQueue()

    /// What `grpc_stats` leaves for the log (`emit_filter_state`).
    package var grpcCounts = GRPCCounts()

    // Filters.
    package var hasFilters = false
    /// The filters' gates and states.
    package var filterState: Block?
    /// Place of the filter that makes the response's body piece by piece, counted from 1; 0: none.
    package var producer: UInt16 = 0
    /// Grows when the stream begins anew: calls of the chain that are under way then end.
    package var chainRun: UInt16 = 0
    /// How deep the chain runs now, and whether a filter has resumed meanwhile.
    package var requestDepth: UInt8 = 0
    package var responseDepth: UInt8 = 0
    package var requestResumeIsDue = false
    package var responseResumeIsDue = false
    /// Not read because of what waits at a filter.
    package var requestIsHeldBack = false
    package var responseIsHeldBack = false
    /// An answer of ours replaces a response that the filters have seen already: it goes out without them.
    package var bypassesFilters = false
    /// The request's end has passed the filters.
    package var requestEndForwarded = false
    /// A filter's own limit of request buffering.
    package var requestBufferMax: Int?
    /// The first of the calls that filters have under way for this stream, and whether this stream is one itself.
    package var firstCall = Handle.none
    package var isCall = false
    /// The session of `tcp_proxy` whose bytes are the content of request and response (`TCPTunnel`).
    package var tcp = Handle.none
    /// Copies of the request whose bodies still follow its own, linked through the copies.
    package var firstMirror = Handle.none
    package var nextMirror = Handle.none

    /// `grpc-status` of an answer of ours that a filter wants; 0: what the HTTP status means.
    package var localGRPCStatus: UInt8 = 0

    // Timers. Deadlines in milliseconds of the worker's clock; 0: none.
    package var timer = TimerNode(token: 0)
    package var timeoutAtMs: UInt64 = 0
    package var perTryTimeoutAtMs: UInt64 = 0
    package var requestTimeoutAtMs: UInt64 = 0
    package var headersTimeoutAtMs: UInt64 = 0
    package var durationMaxAtMs: UInt64 = 0
    package var idleTimeoutMs: UInt64 = 0
    /// The next periodic line of the access logs.
    package var logAtMs: UInt64 = 0
    package var activeMs: UInt64 = 0
    /// The timeouts that count from the first byte are armed.
    package var clocksRun = false

    // What logs and formats ask.
    /// A health check of this proxy, answered or passed on.
    package var isHealthCheck = false
    package var startNs: UInt64 = 0
    package var startWallNs: UInt64 = 0
    package var requestEndNs: UInt64 = 0
    package var upstreamStartNs: UInt64 = 0
    package var upstreamRequestEndNs: UInt64 = 0
    package var upstreamFirstByteNs: UInt64 = 0
    package var upstreamEndNs: UInt64 = 0
    var upstreamTimes = UpstreamTimes()
    /// When the client's handshake was complete; 0: there was none.
    var securedNs: UInt64 = 0
    /// How long routes were looked for, where a format asks.
    var routingNs: UInt64 = 0
    package var responseStartNs: UInt64 = 0
    package var endNs: UInt64 = 0
    package var requestBodyBytes: UInt64 = 0
    package var responseBodyBytes: UInt64 = 0
    package var downstreamMeter = WireMeter()
    /// Of this try, and of those before it up to its beginning: what lines of tries tell, as in Envoy.
    package var upstreamMeter = WireMeter()
    /// Of those before it alone.
    var earlierTries = WireMeter()
    /// What attempts beside this try have sent and received meanwhile, and is in no meter of those that go on
    /// (`HedgedAttempts`).
    var otherTries = WireMeter()
    package var flags: ResponseFlags = []
    /// Of the try that goes on or has ended, for `upstream_log`.
    var tryFlags: ResponseFlags = []
    var tryStatus: UInt16 = 0
    var tryLogAtMs: UInt64 = 0
    var tryBodyReceived: UInt64 = 0
    /// With `track_cluster_stats`: bytes, and in the upper half fields, of the heads that the try has been answered with.
    var tryHeads: UInt64 = 0
    /// Its cluster wants to know what tries are like (`TryTracking`).
    var tracksTries = false
    /// The request's own time is over: what its tries have used of theirs says nothing.
    var ranOutOfTime = false
    /// `%RESPONSE_CODE_DETAILS%`: literals, or text in the request head's memory.
    package var details = Bytes.empty
    /// A field that the request was to get, and whose value no field can have.
    var refusedField = Bytes.empty
    /// `%UPSTREAM_TRANSPORT_FAILURE_REASON%` and the errno behind a refused connection.
    package var upstreamErrno: Int32 = 0
    /// Why the TLS handshake with the upstream failed; interned.
    package var transportFailure = Bytes.empty
    /// The client's connection has TLS; what it agreed on, and so of the upstream's. Held until the stream goes.
    package var isTLS = false
    /// Listener filters have looked at its connection.
    var isInspected = false
    package var downstreamTLS: TLSDescription?
    package var upstreamTLS: TLSDescription?
    /// Peer of the connection, or the client that trusted headers name.
    package var remoteAddress = SocketAddress()
    /// The connection's, before `x-forwarded-for` is asked.
    package var directRemoteAddress = SocketAddress()
    package var localAddress = SocketAddress()
    package var upstreamRemoteAddress = SocketAddress()
    package var upstreamLocalAddress = SocketAddress()
    package var upstreamConnectionID: UInt64 = 0
    package var connectionID: UInt64 = 0
    /// The path as it was before rewrites, for logs (`x-envoy-original-path`).
    package var requestID = Span32()
    /// Its trace, where the listener traces; and why the request is traced.
    package var trace = Handle.none
    package var traceReason = TraceReason.notTraceable
    /// `x-envoy-upstream-canary: true` is in the response.
    var saysCanary = false
    /// The request's head may have fields that tell of a trace; read before they are looked for.
    var tellsOfTrace = false

    /// The one that its host names, whether or not a route of it matched.
    var virtualHost: UnsafePointer<VirtualHostConfig>? {
        guard let result = routeResult, result.outcome != .noVirtualHost, !isCall else { return nil }
        let hosts = unsafe http.pointee.routes.pointee.virtualHosts
        return unsafe Int(result.virtualHostIndex) < hosts.count ? hosts.pointer(Int(result.virtualHostIndex)) : nil
    }

    /// Its wire's bytes are counted: somebody asks for them.
    @inline(__always)
    var metersWire: Bool { unsafe http.pointee.metersWire }

    /// The same for the next request, every field not named here as in a stream that has just been made. `blank` lies where a
    /// whole stride may be read, not in a variable.
    // HOT: per message.
    package static func initialize(
        _ place: StreamPointer, asIn blank: UnsafePointer<HTTPStream>, handle: Handle, downstream: Handle,
        http: UnsafePointer<HTTPConfig>, request: MessageHead, response: MessageHead
    ) {
        unsafe place.initialize(from: blank, count: 1)
        unsafe place.pointee.handle = handle
        unsafe place.pointee.downstream = downstream
        unsafe place.pointee.http = unsafe http
        unsafe place.pointee.router = unsafe http
        unsafe place.pointee.request = request
        unsafe place.pointee.response = response
        unsafe place.pointee.timer = TimerNode(token: Operation.streamTimer.token(handle))
    }

    /// The blank one, of which others are made: what it has of these is never asked for.
    package init(blank http: UnsafePointer<HTTPConfig>, request: MessageHead, response: MessageHead) {
        unsafe self.http = unsafe http
        unsafe router = unsafe http
        self.request = request
        self.response = response
    }
}
