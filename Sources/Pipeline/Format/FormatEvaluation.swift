// One operator over one source. The switch is the list of operators; each sort has a file of its own.

import Primitives
import Wire

extension FormatWriter {
    // HOT: per field.
    mutating func evaluate(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource) -> FormatValue {
        switch unsafe piece.pointee.op {
        case .literal: unsafe .text(piece.pointee.text)
        case .absent: .missing
        case .empty: .text(.empty)
        case .zero: .number(0)

        case .requestHeader, .responseHeader, .responseTrailer, .requestWithoutQuery:
            unsafe header(piece, source).cut(piece.pointee.length)
        case .path: unsafe path(piece, source).cut(piece.pointee.length)
        case .queryParameter: unsafe queryParameter(piece.pointee.text, source).cut(piece.pointee.length)
        case .queryParameters: unsafe queryParameters(source, decoded: piece.pointee.option == 1).cut(piece.pointee.length)
        case .requestHeadersBytes: unsafe .number(source.stream.map { unsafe FormatWriter.fieldBytes($0, isRequest: true) } ?? 0)
        case .responseHeadersBytes: unsafe .number(source.stream.map { unsafe FormatWriter.fieldBytes($0, isRequest: false) } ?? 0)
        case .responseTrailersBytes: .number(trailerBytes(source))

        case .proto: proto(source)
        case .upstreamProto: upstreamProto(source)
        case .responseCode: .number(UInt64(source.responseCode))
        case .responseCodeDetails: .present(source.details)
        case .connectionTerminationDetails: unsafe .present(source.tcp?.pointee.terminationDetails ?? .empty)
        case .filterChainName: .present(source.chainMetadata.chainName)
        case .downstreamCloseType: FormatWriter.text(source.downstreamCloseType)
        case .upstreamCloseType: FormatWriter.text(source.upstreamCloseType)
        case .downstreamCloseReason: unsafe .present(source.tcp?.pointee.downstreamCloseReason ?? .empty)
        case .upstreamCloseReason: unsafe .present(source.tcp?.pointee.upstreamCloseReason ?? .empty)
        case .responseFlags: flags(source, long: false)
        case .responseFlagsLong: flags(source, long: true)
        case .grpcStatus: unsafe grpcStatus(source, GRPCStatus.Form(rawValue: piece.pointee.option) ?? .camel)
        case .localReplyBody: .text(source.localReplyBody)
        case .serverName: unsafe serverName(piece, source)
        case .dynamicMetadata: unsafe dynamicMetadata(piece, source).cut(piece.pointee.length)
        case .configMetadata: unsafe configMetadata(piece, source).cut(piece.pointee.length)
        case .grpcCounts: unsafe grpcCounts(source, asText: piece.pointee.option == 1).cut(piece.pointee.length)
        case .filterState: unsafe filterState(piece, source).cut(piece.pointee.length)
        case .tunnelID: unsafe tunnelID(piece, source).cut(piece.pointee.length)
        case .tunnelFields: unsafe tunnelFields(source, trailers: piece.pointee.option == 1).cut(piece.pointee.length)
        case .routeName: unsafe .present(source.stream?.pointee.route?.pointee.name ?? .empty)
        case .virtualCluster: source.isTry ? .missing : unsafe .present(source.stream?.pointee.virtualCluster?.pointee.name ?? .empty)
        case .routeResolutions: unsafe .number(source.stream?.pointee.routeResult == nil ? 0 : 1)
        case .accessLogType: .text(Bytes(source.logType.name))
        case .connectionID: .number(source.connectionID)
        case .streamID: streamID(source)
        case .uniqueID: uuid()
        case .traceID: traceID(source)
        case .spanID: spanID(source)
        case .downstreamTLS: unsafe downstreamTLS(source, piece)
        case .upstreamTLS: unsafe tls(source.upstreamTLS, piece)
        case .downstreamCertificateTime: unsafe certificateTime(source.downstreamTLS, piece)
        case .upstreamCertificateTime: unsafe certificateTime(source.upstreamTLS, piece)

        case .bytesReceived, .bytesSent, .upstreamWireBytesSent, .upstreamWireBytesReceived, .upstreamHeaderBytesSent,
            .upstreamHeaderBytesReceived, .downstreamWireBytesSent, .downstreamWireBytesReceived,
            .downstreamHeaderBytesSent, .downstreamHeaderBytesReceived, .upstreamPlainHeaderBytesSent, .upstreamPlainHeaderBytesReceived,
            .downstreamPlainHeaderBytesSent, .downstreamPlainHeaderBytesReceived:
            unsafe .number(source.bytes(piece.pointee.op))

        case .duration, .requestDuration, .requestSendDuration, .responseDuration, .responseSendDuration:
            unsafe milliseconds(source.duration(piece.pointee.op))
        case .pointDuration: unsafe pointDuration(piece, source)
        case .handshakeDuration: FormatWriter.handshakeDuration(source)
        case .poolReadyDuration: milliseconds(source.poolReadyNs)
        case .routeTime: FormatWriter.routeTime(source)
        case .forwardedCertificate: unsafe forwardedCertificate(piece.pointee.text, source).cut(piece.pointee.length)
        case .coalesce, .expression: unsafe evaluate(piece, source, asText: false)
        case .fileContent: unsafe fileContent(piece.pointee.slot).cut(piece.pointee.length)
        case .secret: unsafe secret(piece.pointee.slot).cut(piece.pointee.length)
        case .startTime: unsafe moment(source.startWallNs, piece)
        case .emitTime: unsafe moment(source.startWallNs &+ (source.nowNs &- source.startNs), piece)

        case .upstreamHost, .upstreamHostsAttempted, .upstreamHostsAttemptedWithoutPort, .upstreamHostName,
            .upstreamHostNameWithoutPort, .upstreamHostNamesAttempted, .upstreamHostNamesAttemptedWithoutPort:
            unsafe host(piece.pointee.op, source)
        case .upstreamCluster: .present(source.observabilityName)
        case .upstreamClusterRaw: .present(source.clusterName)
        case .upstreamFailureReason: failureReason(source)
        case .downstreamFailureReason: FormatWriter.text(unsafe source.tcp?.pointee.downstreamFailure)
        case .ja3: fingerprint(source, isJA4: false)
        case .ja4: fingerprint(source, isJA4: true)
        case .upstreamAttempts: .number(UInt64(source.attempts))
        case .upstreamConnectionID: .number(source.upstreamConnectionID)
        case .upstreamConnectionIDsAttempted: connectionIDs(source)
        case .upstreamLocalAddress: unsafe address(source.upstreamLocalAddress, piece)
        case .upstreamRemoteAddress: unsafe address(source.upstreamRemoteAddress, piece)
        case .downstreamRemoteAddress: unsafe address(source.remoteAddress, piece)
        case .downstreamDirectRemoteAddress: unsafe address(source.directRemoteAddress, piece)
        case .downstreamLocalAddress: unsafe address(source.localAddress, piece)
        case .downstreamDirectLocalAddress: unsafe address(source.directLocalAddress, piece)
        }
    }

    private func fileContent(_ slot: UInt32) -> FormatValue { slot < texts.count ? .text(texts[Int(slot)]) : .missing }

    /// One that has not come yet is as one that is empty.
    private func secret(_ slot: UInt32) -> FormatValue { slot < texts.count ? .present(texts[Int(slot)]) : .missing }
}
