// What streams and TCP connections both know, under one name.

import Primitives
import Wire

extension FormatSource {
    @inline(__always) var startNs: UInt64 {
        if isTry, let stream = unsafe stream { return unsafe stream.pointee.upstreamStartNs }
        return unsafe stream?.pointee.startNs ?? tcp?.pointee.startNs ?? 0
    }
    @inline(__always) var startWallNs: UInt64 {
        if isTry, let stream = unsafe stream { return unsafe stream.pointee.startWallNs &+ (stream.pointee.upstreamStartNs &- stream.pointee.startNs) }
        return unsafe stream?.pointee.startWallNs ?? tcp?.pointee.startWallNs ?? 0
    }
    @inline(__always) var endNs: UInt64 { unsafe stream?.pointee.endNs ?? tcp?.pointee.endNs ?? 0 }
    @inline(__always) var flags: ResponseFlags {
        if isTry, let stream = unsafe stream { return unsafe stream.pointee.tryFlags }
        return unsafe stream?.pointee.flags ?? tcp?.pointee.flags ?? []
    }
    @inline(__always) var details: Bytes { isTry ? .empty : unsafe stream?.pointee.details ?? tcp?.pointee.details ?? .empty }
    @inline(__always) var connectionID: UInt64 { unsafe stream?.pointee.connectionID ?? tcp?.pointee.connectionID ?? 0 }
    @inline(__always) var upstreamConnectionID: UInt64 {
        unsafe stream?.pointee.upstreamConnectionID ?? tcp?.pointee.upstreamConnectionID ?? 0
    }
    @inline(__always) var attempts: UInt16 { isTry ? 0 : unsafe stream?.pointee.attempt ?? tcp?.pointee.attempts ?? 0 }
    @inline(__always) var remoteAddress: SocketAddress {
        unsafe stream?.pointee.remoteAddress ?? tcp?.pointee.remoteAddress ?? SocketAddress()
    }
    @inline(__always) var directLocalAddress: SocketAddress {
        if let direct = unsafe inspection?.pointee.directLocal, direct.family != .none { return direct }
        return localAddress
    }
    /// The socket's own, whatever a listener filter has put in its place.
    @inline(__always) var directRemoteAddress: SocketAddress {
        if let direct = unsafe inspection?.pointee.directRemote, direct.family != .none { return direct }
        return unsafe stream?.pointee.directRemoteAddress ?? tcp?.pointee.directRemoteAddress ?? SocketAddress()
    }
    @inline(__always) var localAddress: SocketAddress {
        unsafe stream?.pointee.localAddress ?? tcp?.pointee.localAddress ?? SocketAddress()
    }
    @inline(__always) var upstreamRemoteAddress: SocketAddress {
        unsafe stream?.pointee.upstreamRemoteAddress ?? tcp?.pointee.upstreamRemoteAddress ?? SocketAddress()
    }
    @inline(__always) var upstreamLocalAddress: SocketAddress {
        unsafe stream?.pointee.upstreamLocalAddress ?? tcp?.pointee.upstreamLocalAddress ?? SocketAddress()
    }

    /// 0 while there is none.
    @inline(__always) var responseCode: UInt16 {
        if let status { return status }
        guard let stream = unsafe stream else { return 0 }
        if unsafe stream.pointee.hasResponseHead { return unsafe stream.pointee.response.status }
        return unsafe stream.pointee.interimStatus
    }

    // HOT: per field.
    /// Nanoseconds; nil when the request did not come so far.
    func duration(_ op: FormatOperator) -> UInt64? {
        if isTry { return tryDuration(op) }
        switch op {
        case .duration: return (endNs == 0 ? nowNs : endNs) &- startNs
        case .requestDuration: return span(.downstreamReceiveBegin, .downstreamReceiveEnd)
        case .requestSendDuration: return span(.downstreamReceiveBegin, .upstreamSendEnd)
        case .responseDuration: return span(.downstreamReceiveBegin, .upstreamReceiveBegin)
        case .responseSendDuration: return span(.upstreamReceiveBegin, .downstreamSendEnd)
        default: return nil
        }
    }

    func span(_ start: TimePoint, _ end: TimePoint) -> UInt64? {
        let from: UInt64
        let to: UInt64
        if let stream = unsafe stream {
            from = unsafe FormatSource.moment(start, stream)
            to = unsafe FormatSource.moment(end, stream)
        } else if let tcp = unsafe tcp {
            from = unsafe FormatSource.moment(start, tcp)
            to = unsafe FormatSource.moment(end, tcp)
        } else {
            return nil
        }
        return from != 0 && to >= from ? to &- from : nil
    }

    /// 0: not reached.
    private static func moment(_ point: TimePoint, _ stream: UnsafePointer<HTTPStream>) -> UInt64 {
        switch point {
        case .downstreamReceiveBegin: unsafe stream.pointee.startNs
        case .downstreamReceiveEnd: unsafe stream.pointee.requestEndNs
        case .upstreamSendBegin: unsafe stream.pointee.upstreamStartNs
        case .upstreamSendEnd: unsafe stream.pointee.upstreamRequestEndNs
        case .upstreamReceiveBegin: unsafe stream.pointee.upstreamFirstByteNs
        case .upstreamReceiveEnd: unsafe stream.pointee.upstreamEndNs
        case .downstreamSendBegin: unsafe stream.pointee.responseStartNs
        // A response that was cut has no end.
        case .downstreamSendEnd:
            unsafe stream.pointee.responseStartNs == 0 || !stream.pointee.responseEnded ? 0 : stream.pointee.endNs
        case .upstreamConnectBegin: unsafe stream.pointee.upstreamTimes.beganNs
        case .upstreamConnectEnd: unsafe stream.pointee.upstreamTimes.connectedNs
        case .upstreamHandshakeEnd: unsafe stream.pointee.upstreamTimes.securedNs
        case .other: 0
        }
    }

    private static func moment(_ point: TimePoint, _ tcp: UnsafePointer<TCPLogInfo>) -> UInt64 {
        switch point {
        case .downstreamReceiveBegin: unsafe tcp.pointee.startNs
        case .upstreamConnectBegin: unsafe tcp.pointee.upstreamTimes.beganNs
        case .upstreamConnectEnd: unsafe tcp.pointee.upstreamTimes.connectedNs
        case .upstreamHandshakeEnd: unsafe tcp.pointee.upstreamTimes.securedNs
        default: 0
        }
    }

    // HOT: per field.
    func bytes(_ op: FormatOperator) -> UInt64 {
        if let tcp = unsafe tcp {
            switch op {
            case .bytesReceived: return unsafe tcp.pointee.bytesReceived
            case .bytesSent: return unsafe tcp.pointee.bytesSent
            case .downstreamWireBytesReceived: return unsafe tcp.pointee.isMetered ? tcp.pointee.bytesReceived : 0
            case .downstreamWireBytesSent: return unsafe tcp.pointee.isMetered ? tcp.pointee.bytesSent : 0
            case .upstreamWireBytesSent: return unsafe tcp.pointee.upstreamBytesSent
            case .upstreamWireBytesReceived: return unsafe tcp.pointee.upstreamBytesReceived
            default: return 0
            }
        }
        guard let stream = unsafe stream else { return 0 }
        switch op {
        case .bytesReceived: return unsafe isTry ? stream.pointee.tryBodyReceived : stream.pointee.requestBodyBytes
        case .bytesSent: return unsafe isTry ? stream.pointee.upstreamBodySent : stream.pointee.responseBodyBytes
        case .downstreamWireBytesReceived: return unsafe stream.pointee.downstreamMeter.received
        case .downstreamWireBytesSent: return unsafe stream.pointee.downstreamMeter.sent
        case .downstreamHeaderBytesReceived: return unsafe stream.pointee.downstreamMeter.headReceived
        case .downstreamHeaderBytesSent: return unsafe stream.pointee.downstreamMeter.headSent
        case .downstreamPlainHeaderBytesReceived: return unsafe stream.pointee.downstreamMeter.decompressedReceived
        case .downstreamPlainHeaderBytesSent: return unsafe stream.pointee.downstreamMeter.decompressedSent
        case .upstreamWireBytesSent: return unsafe upstreamMeter(stream).sent
        case .upstreamWireBytesReceived: return unsafe upstreamMeter(stream).received
        case .upstreamHeaderBytesSent: return unsafe upstreamMeter(stream).headSent
        case .upstreamHeaderBytesReceived: return unsafe upstreamMeter(stream).headReceived
        case .upstreamPlainHeaderBytesSent: return unsafe upstreamMeter(stream).decompressedSent
        case .upstreamPlainHeaderBytesReceived: return unsafe upstreamMeter(stream).decompressedReceived
        default: return 0
        }
    }

    /// A try's line tells of the try and what came before it, the request's of all.
    @inline(__always)
    private func upstreamMeter(_ stream: UnsafePointer<HTTPStream>) -> WireMeter {
        unsafe isTry ? stream.pointee.upstreamMeter : stream.pointee.upstreamMeter + stream.pointee.otherTries
    }
}
