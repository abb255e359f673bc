// What went over one side's wire for a request: `%..._WIRE_BYTES_...%`, `%..._HEADER_BYTES_...%` and their like.
//
// HTTP/1 counts what it reads and queues; HTTP/2 the frames of the stream with their nine bytes each, as they are read and
// framed (HEADERS, DATA and RST_STREAM). Only where somebody asks for them (`HTTPConfig.metersWire`): frames and heads cost a
// look each, and a response's frames are made when the turn ends, but a line of a log is written before that. Its frames are
// made first then (`frameBeforeLog`).

import CNghttp2
import Primitives
import Transport
import Wire

package struct WireMeter: BitwiseCopyable {
    /// All of it: heads, bodies, framing.
    package var sent: UInt64 = 0
    package var received: UInt64 = 0
    /// Of HTTP/1 the fields' lines, those received without a space behind the colon; of HTTP/2 the frames of heads.
    package var headSent: UInt64 = 0
    package var headReceived: UInt64 = 0
    /// Names and values alone, where a head went in another form (HTTP/2); 0: the same as above.
    package var plainSent: UInt64 = 0
    package var plainReceived: UInt64 = 0

    package init() {}

    package static func + (a: WireMeter, b: WireMeter) -> WireMeter {
        var sum = a
        sum.sent &+= b.sent
        sum.received &+= b.received
        sum.headSent &+= b.headSent
        sum.headReceived &+= b.headReceived
        sum.plainSent &+= b.plainSent
        sum.plainReceived &+= b.plainReceived
        return sum
    }

    /// What has come since it was `before`.
    package func since(_ before: WireMeter) -> WireMeter {
        var rest = self
        rest.sent &-= before.sent
        rest.received &-= before.received
        rest.headSent &-= before.headSent
        rest.headReceived &-= before.headReceived
        rest.plainSent &-= before.plainSent
        rest.plainReceived &-= before.plainReceived
        return rest
    }

    package var decompressedSent: UInt64 { plainSent == 0 ? headSent : plainSent }
    package var decompressedReceived: UInt64 { plainReceived == 0 ? headReceived : plainReceived }
}

extension WireMeter {
    // HOT: per message.
    /// A head of HTTP/1 that was read whole. `lineBytes`: its start line with the line's end.
    package mutating func http1HeadReceived(_ head: MessageHead, lineBytes: Int, fields: Int) {
        headReceived &+= UInt64(truncatingIfNeeded: max(0, head.textBytes &- lineBytes &- 2 &- fields))
    }

    // HOT: per message.
    /// A head of HTTP/1 that was queued.
    package mutating func http1HeadSent(_ bytes: Int, lineBytes: Int) {
        headSent &+= UInt64(truncatingIfNeeded: max(0, bytes &- lineBytes &- 2))
    }

    /// Trailers of HTTP/1. As in Envoy they are not among what is called decompressed.
    package mutating func http1TrailersReceived(_ trailers: MessageHead) {
        if plainReceived == 0 { plainReceived = headReceived }
        for i in 0..<trailers.count {
            headReceived &+= UInt64(truncatingIfNeeded: trailers.name(i).count &+ trailers.value(i).count &+ 3)
        }
    }

    // HOT: per frame.
    @inline(__always)
    package mutating func http2Received(_ payload: Int, isHead: Bool) {
        let bytes = UInt64(truncatingIfNeeded: payload &+ 9)
        received &+= bytes
        if isHead { headReceived &+= bytes }
    }

    // HOT: per frame.
    @inline(__always)
    package mutating func http2Sent(_ payload: Int, isHead: Bool) {
        let bytes = UInt64(truncatingIfNeeded: payload &+ 9)
        sent &+= bytes
        if isHead { headSent &+= bytes }
    }
}

extension Worker {
    // HOT: per message.
    /// `HTTP/1.1 200 OK` and its end, as they came: the head's text begins with them.
    static func startLineBytes(_ head: MessageHead) -> Int {
        let text = head.text(Span32(offset: 0, count: UInt32(truncatingIfNeeded: head.textBytes)))
        var at = 0
        while at < text.count, text[at] != UInt8(ascii: "\n") { at &+= 1 }
        return min(at &+ 1, text.count)
    }

    // HOT: per message.
    /// What the upstream connection of HTTP/1 has been given for this try so far, sent or queued. A head of HTTP/2 that no frame
    /// has been made of goes nowhere any more when the try ends.
    func meterUpstreamSent(_ stream: StreamPointer) {
        guard unsafe stream.pointee.metersWire && stream.pointee.isOnUpstream,
            let connection = unsafe connections.slab[stream.pointee.upstream]
        else { return }
        if unsafe stream.pointee.upstreamIsHTTP2 {
            if unsafe stream.pointee.upstreamMeter.sent == stream.pointee.earlierTries.sent {
                unsafe stream.pointee.upstreamMeter.plainSent = unsafe stream.pointee.earlierTries.plainSent
            }
            return
        }
        let given = unsafe connection.pointee.bytesSent &+ UInt64(truncatingIfNeeded: connection.pointee.out.count)
        unsafe stream.pointee.upstreamMeter.sent = unsafe stream.pointee.earlierTries.sent &+ (given &- stream.pointee.upstreamSentBefore)
    }

    // HOT: per frame.
    /// A HEADERS frame that went out, of whichever side.
    func h2HeadSent(_ session: UnsafeMutablePointer<H2Session>, _ frame: UnsafePointer<nghttp2_frame>) {
        guard let entry = unsafe entry(session.pointee.codec, martlet_h2_stream(frame)) else { return }
        let payload = unsafe martlet_h2_length(frame)
        unsafe meter(entry, isServer: session.pointee.isServer) { $0.http2Sent(payload, isHead: true) }
    }

    // HOT: per frame.
    /// The meter of the side that a session is; none once its request is over.
    @inline(__always)
    func meter(_ entry: UnsafeMutablePointer<H2Stream>, isServer: Bool, _ change: (inout WireMeter) -> Void) {
        guard let stream = unsafe streams[entry.pointee.stream] else { return }
        if isServer { unsafe change(&stream.pointee.downstreamMeter) } else { unsafe change(&stream.pointee.upstreamMeter) }
    }

    /// The fields that `h2.fields` holds, their names and values.
    func plainBytes() -> UInt64 {
        var bytes = 0
        for i in 0..<h2.fields.count { unsafe bytes &+= h2.fields.base[i].namelen &+ h2.fields.base[i].valuelen }
        return UInt64(truncatingIfNeeded: bytes)
    }

    /// What a stream of HTTP/2 has to say is framed now, as far as the client's windows and the connection's queue allow:
    /// the line that is about to be written counts it.
    func frameBeforeLog(_ stream: StreamPointer) {
        guard let entry = unsafe h2.streams[stream.pointee.downstreamCodec], let session = unsafe h2.sessions[entry.pointee.session],
            let connection = unsafe connections.slab[session.pointee.connection]
        else { return }
        unsafe frame(session, connection)
        unsafe markDue(session)
    }
}
