// What attributes give of a stream or a connection. Nil: there is no such thing, or not yet.

import COpenSSL
import Primitives
import Transport
import Upstream
import Wire

extension FormatWriter {
    // HOT: per field.
    mutating func attribute(_ attribute: CELAttribute, _ source: FormatSource) -> CELValue? {
        switch attribute {
        case .requestPath, .requestURLPath, .requestHost, .requestScheme, .requestMethod, .requestHeaders, .requestReferer, .requestUserAgent,
            .requestTime, .requestID, .requestProtocol, .requestDuration, .requestSize, .requestTotalSize, .requestQuery:
            request(attribute, source)
        case .responseCode, .responseCodeDetails, .responseFlags, .responseHeaders, .responseTrailers, .responseSize, .responseTotalSize,
            .responseGRPCStatus, .responseBackendLatency, .response:
            response(attribute, source)
        case .connectionMTLS: .bool(source.downstreamTLS?.hasPeerCertificate == true)
        case .connectionServerName: .string(source.serverName)
        case .connectionTLSVersion, .connectionSubjectLocal, .connectionSubjectPeer, .connectionURILocal, .connectionURIPeer,
            .connectionDNSLocal, .connectionDNSPeer, .connectionPeerDigest:
            certificate(attribute, source.downstreamTLS)
        case .connectionID: .uint(source.connectionID)
        case .connectionTerminationDetails: unsafe present(source.tcp?.pointee.terminationDetails)
        case .connectionFailureReason: unsafe present(source.tcp?.pointee.downstreamFailure)
        case .upstreamTLSVersion, .upstreamSubjectLocal, .upstreamSubjectPeer, .upstreamURILocal, .upstreamURIPeer, .upstreamDNSLocal,
            .upstreamDNSPeer, .upstreamPeerDigest:
            certificate(attribute, source.upstreamTLS)
        case .upstreamAddress, .upstreamPort, .upstreamLocalAddress, .upstreamFailureReason, .upstreamAttempts, .upstreamPoolReady:
            upstream(attribute, source)
        case .sourceAddress: address(source.remoteAddress)
        case .sourcePort: port(source.remoteAddress)
        case .destinationAddress: address(source.localAddress)
        case .destinationPort: port(source.localAddress)
        case .xdsNode, .xdsClusterName, .xdsClusterMetadata, .xdsRouteName, .xdsRouteMetadata, .xdsVirtualHostName, .xdsVirtualHostMetadata,
            .xdsHostMetadata, .xdsHostLocalityMetadata, .xdsFilterChainName, .xdsListenerMetadata, .xdsListenerDirection:
            configured(attribute, source)
        case .metadata: unsafe .message(.metadata, dynamicTree(source))
        case .upstreamFilterState: source.upstreamConnectionID == 0 ? nil : .group(.upstreamFilterState)
        }
    }

    private func present(_ bytes: Bytes?) -> CELValue? { bytes.flatMap { $0.isEmpty ? nil : .string($0) } }

    private func number(_ value: UInt64) -> CELValue { .int(Int64(truncatingIfNeeded: value)) }

    // MARK: Request

    private mutating func request(_ attribute: CELAttribute, _ source: FormatSource) -> CELValue? {
        switch attribute {
        case .requestHeaders: return .headers(.request)
        // Envoy's clock has microseconds.
        case .requestTime: return .timestamp(CELTime(nanoseconds: source.startWallNs / 1000 &* 1000))
        case .requestDuration:
            guard source.isComplete else { return nil }
            return source.duration(.duration).map { .duration(CELTime(nanoseconds: $0)) }
        case .requestProtocol:
            if case .text(let name) = proto(source) { return .string(name) }
            return nil
        case .requestSize:
            let told = unsafe source.headed?.pointee.request.value(of: .contentLength)?.decimal
            return number(told ?? source.bytes(.bytesReceived))
        case .requestTotalSize:
            let head = unsafe source.headed.map { unsafe FormatWriter.fieldBytes($0, isRequest: true) } ?? 0
            return number(source.bytes(.bytesReceived) &+ head)
        default: break
        }
        guard let stream = unsafe source.headed, unsafe !stream.pointee.request.methodText.isEmpty else { return nil }
        let path = unsafe stream.pointee.request.text(stream.pointee.request.path)
        switch attribute {
        case .requestMethod: return unsafe .string(stream.pointee.request.text(stream.pointee.request.methodText))
        case .requestScheme: return unsafe .string(stream.pointee.request.schemeText)
        case .requestReferer: return unsafe .optional(stream.pointee.request.value(of: .referer))
        case .requestUserAgent: return unsafe .optional(stream.pointee.request.value(of: .userAgent))
        case .requestID: return unsafe .optional(stream.pointee.request.value(of: .xRequestId))
        case .requestHost: return header(.request, Bytes(":authority" as StaticString), source)
        // A CONNECT has none, and what would be a part of it is empty.
        case .requestPath: return path.isEmpty ? nil : .string(path)
        case .requestURLPath: return .string(path.isEmpty ? .empty : PathQuery(path).path)
        case .requestQuery: return .string(path.isEmpty ? .empty : PathQuery(path).query ?? .empty)
        default: return nil
        }
    }

    // MARK: Response

    private mutating func response(_ attribute: CELAttribute, _ source: FormatSource) -> CELValue? {
        asksResponse = true
        switch attribute {
        case .response: return .group(.response)
        case .responseCode: return source.responseCode == 0 ? nil : number(UInt64(source.responseCode))
        case .responseCodeDetails: return present(source.details)
        case .responseFlags: return number(UInt64(source.flags.rawValue))
        case .responseHeaders: return .headers(.response)
        case .responseTrailers: return .headers(.trailers)
        case .responseSize: return number(source.bytes(.bytesSent))
        case .responseTotalSize:
            let head = unsafe source.stream.map { unsafe FormatWriter.fieldBytes($0, isRequest: false) } ?? 0
            return number(source.bytes(.bytesSent) &+ head &+ trailerBytes(source))
        case .responseGRPCStatus:
            guard let stream = unsafe source.stream, unsafe source.responseCode != 0 || FormatWriter.grpcText(stream) != nil else { return nil }
            return .int(FormatWriter.anyGRPCCode(source))
        case .responseBackendLatency:
            return source.span(.upstreamSendBegin, .upstreamReceiveEnd).map { .duration(CELTime(nanoseconds: $0)) }
        default: return nil
        }
    }

    // MARK: Fields

    // HOT: per field.
    /// All fields of a name, joined by commas.
    mutating func header(_ headers: CELHeaders, _ name: Bytes, _ source: FormatSource) -> CELValue? {
        guard let stream = unsafe source.headed, let name = lowerCased(name) else { return nil }
        if !name.isEmpty, name[0] == UInt8(ascii: ":") || (headers == .request && name.equals(Bytes("host" as StaticString))) {
            return unsafe pseudoHeader(headers, name, source, stream)
        }
        switch headers {
        case .request: return unsafe joined(name, stream.pointee.request)
        case .response: return unsafe stream.pointee.hasResponseHead ? joined(name, stream.pointee.response) : nil
        case .trailers: return unsafe stream.pointee.responseTrailers.flatMap { joined(name, $0) }
        }
    }

    private mutating func lowerCased(_ name: Bytes) -> Bytes? {
        var isLower = true
        for i in 0..<name.count where Bytes.lower(name[i]) != name[i] { isLower = false }
        if isLower { return name }
        guard let room = unsafe scratch.room(name.count)?.assumingMemoryBound(to: UInt8.self) else { return nil }
        for i in 0..<name.count { unsafe room[i] = Bytes.lower(name[i]) }
        return unsafe Bytes(UnsafeRawPointer(room), name.count)
    }

    private mutating func pseudoHeader(
        _ headers: CELHeaders, _ name: Bytes, _ source: FormatSource, _ stream: UnsafePointer<HTTPStream>
    ) -> CELValue? {
        func isName(_ wanted: StaticString) -> Bool { name.equals(Bytes(wanted)) }
        if headers == .response {
            guard isName(":status"), source.responseCode != 0, let room = unsafe scratch.room(3)?.assumingMemoryBound(to: UInt8.self) else { return nil }
            var rest = source.responseCode
            for i in 0..<3 {
                unsafe room[2 &- i] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            return unsafe .string(Bytes(UnsafeRawPointer(room), 3))
        }
        guard headers == .request, unsafe !stream.pointee.request.methodText.isEmpty else { return nil }
        var header = FormatHeader()
        if isName(":authority") || isName("host") { header.part = .authority }
        if isName(":path") { header.part = .path }
        if isName(":method") { header.part = .method }
        if isName(":scheme") { header.part = .scheme }
        return unsafe .optional(FormatWriter.requestHeader(header, stream))
    }

    private mutating func joined(_ name: Bytes, _ head: MessageHead) -> CELValue? {
        guard let first = head.index(named: name) else { return nil }
        guard head.index(named: name, from: first &+ 1) != nil else { return .string(head.value(first)) }
        var length = -1
        var next: Int? = first
        while let index = next {
            length &+= head.value(index).count &+ 1
            next = head.index(named: name, from: index &+ 1)
        }
        guard let room = unsafe scratch.room(length)?.assumingMemoryBound(to: UInt8.self) else { return nil }
        var place = 0
        next = first
        while let index = next {
            if index != first {
                unsafe room[place] = UInt8(ascii: ",")
                place &+= 1
            }
            let part = head.value(index)
            unsafe UnsafeMutableRawPointer(room + place).copyMemory(from: part.base, byteCount: part.count)
            place &+= part.count
            next = head.index(named: name, from: index &+ 1)
        }
        return unsafe .string(Bytes(UnsafeRawPointer(room), length))
    }

    /// Names of a head's fields in bytewise order, each once. Nil: they are too many.
    mutating func sorted(_ headers: CELHeaders, _ source: FormatSource) -> CELNames? {
        guard let stream = unsafe source.headed else { return CELNames() }
        let head: MessageHead? =
            switch headers {
            case .request: unsafe stream.pointee.request.methodText.isEmpty ? nil : stream.pointee.request
            case .response: unsafe stream.pointee.hasResponseHead ? stream.pointee.response : nil
            case .trailers: unsafe stream.pointee.responseTrailers
            }
        guard let head else { return CELNames() }
        guard let room = unsafe scratch.room((head.count &+ CELNames.pseudo.count) &* MemoryLayout<Bytes>.stride) else { return nil }
        let names = unsafe room.bindMemory(to: Bytes.self, capacity: head.count &+ CELNames.pseudo.count)
        var count = 0
        func add(_ name: Bytes) {
            unsafe (names + count).initialize(to: name)
            count &+= 1
        }
        for name in CELNames.pseudo where header(headers, Bytes(name), source) != nil { add(Bytes(name)) }
        for i in 0..<head.count where !head.field(i).removed && head.field(i).id != .host { add(head.name(i)) }
        return unsafe CELNames(sorting: names, count)
    }

    // MARK: TLS

    /// A certificate's texts; of several names the first.
    private func certificate(_ attribute: CELAttribute, _ description: TLSDescription?) -> CELValue? {
        guard let description else { return nil }
        let fact =
            switch attribute {
            case .connectionTLSVersion, .upstreamTLSVersion: martlet_fact_version
            case .connectionSubjectLocal, .upstreamSubjectLocal: martlet_fact_local_subject
            case .connectionSubjectPeer, .upstreamSubjectPeer: martlet_fact_peer_subject
            case .connectionURILocal, .upstreamURILocal: martlet_fact_local_uri_names
            case .connectionURIPeer, .upstreamURIPeer: martlet_fact_peer_uri_names
            case .connectionDNSLocal, .upstreamDNSLocal: martlet_fact_local_dns
            case .connectionDNSPeer, .upstreamDNSPeer: martlet_fact_peer_dns_names
            default: martlet_fact_peer_fingerprint_256
            }
        let text = description[Int(fact)]
        // A subject is there with every TLS, empty where there is no certificate.
        if fact == martlet_fact_local_subject || fact == martlet_fact_peer_subject { return .string(text) }
        let end = text.firstIndex(of: fact == martlet_fact_local_dns ? UInt8(ascii: ",") : 0) ?? text.count
        return present(text.prefix(end))
    }

    // MARK: Hosts and addresses

    private mutating func upstream(_ attribute: CELAttribute, _ source: FormatSource) -> CELValue? {
        switch attribute {
        case .upstreamAddress: return unsafe source.host.flatMap { unsafe address($0.pointee.address) }
        case .upstreamPort: return unsafe source.host.flatMap { unsafe port($0.pointee.address) }
        case .upstreamLocalAddress: return address(source.upstreamLocalAddress)
        case .upstreamAttempts: return number(UInt64(source.attempts))
        case .upstreamPoolReady: return source.poolReadyNs.map { .duration(CELTime(nanoseconds: $0)) }
        default:
            guard case .text(let reason) = failureReason(source, space: UInt8(ascii: " ")) else { return unsafe source.host == nil ? nil : .string(.empty) }
            return scratch.copy(reason).map { .string($0) }
        }
    }

    private mutating func address(_ address: SocketAddress) -> CELValue? {
        guard address.family != .none else { return nil }
        value.reset()
        value.put(address)
        return scratch.copy(value.bytes).map { .string($0) }
    }

    private func port(_ address: SocketAddress) -> CELValue? {
        address.family == .none || address.family == .unix ? nil : number(UInt64(address.port))
    }

    // MARK: Configuration

    private func configured(_ attribute: CELAttribute, _ source: FormatSource) -> CELValue? {
        let route = unsafe source.stream?.pointee.route
        switch attribute {
        case .xdsClusterName: return present(source.clusterName)
        case .xdsClusterMetadata: return unsafe source.cluster.map { unsafe .message(.metadata, $0.pointee.metadata?.tree) }
        case .xdsRouteName: return unsafe route.map { unsafe .string($0.pointee.name) }
        case .xdsRouteMetadata: return unsafe route.map { unsafe .message(.metadata, $0.pointee.metadata?.tree) }
        case .xdsVirtualHostName, .xdsVirtualHostMetadata:
            // The one that the host names, whether or not a route of it matched. A try has none (Envoy).
            guard !source.isTry, let host = unsafe source.stream?.pointee.virtualHost else { return nil }
            return unsafe attribute == .xdsVirtualHostName
                ? .string(host.pointee.name) : .message(.metadata, host.pointee.metadata?.tree)
        // A host without metadata has nothing, not an empty message (Envoy).
        case .xdsHostMetadata:
            return unsafe source.host.map { host in unsafe host.pointee.metadata.map { unsafe CELValue.message(.metadata, $0.tree) } ?? .null }
        case .xdsHostLocalityMetadata: return unsafe source.host == nil ? nil : .null
        case .xdsFilterChainName: return .string(source.chainMetadata.chainName)
        case .xdsListenerMetadata: return unsafe .message(.metadata, source.chainMetadata.listener?.tree)
        case .xdsListenerDirection: return number(UInt64(source.chainMetadata.direction))
        default: return nil
        }
    }
}

extension FormatSource {
    /// The stream, where its heads may be seen.
    fileprivate var headed: UnsafePointer<HTTPStream>? { unsafe isHeadless ? nil : stream }
}

/// Names in order.
@safe
struct CELNames {
    private let names: UnsafePointer<Bytes>?
    private(set) var count = 0

    static let pseudo: [StaticString] = [":authority", ":method", ":path", ":scheme", ":status"]

    init() { unsafe names = nil }

    /// In place: a heap's order, then without repetitions.
    init(sorting names: UnsafeMutablePointer<Bytes>, _ total: Int) {
        func sink(_ start: Int, _ end: Int) {
            var place = start
            while 2 &* place &+ 1 < end {
                var child = 2 &* place &+ 1
                if child &+ 1 < end, unsafe CELTexts.order(names[child], names[child &+ 1]) == .less { child &+= 1 }
                guard unsafe CELTexts.order(names[place], names[child]) == .less else { return }
                unsafe swap(&names[place], &names[child])
                place = child
            }
        }
        var start = total / 2
        while start > 0 {
            start &-= 1
            sink(start, total)
        }
        var end = total
        while end > 1 {
            end &-= 1
            unsafe swap(&names[0], &names[end])
            sink(0, end)
        }
        for i in 0..<total where unsafe count == 0 || !names[count &- 1].equals(names[i]) {
            unsafe names[count] = names[i]
            count &+= 1
        }
        unsafe self.names = unsafe UnsafePointer(names)
    }

    subscript(_ index: Int) -> Bytes? {
        guard let names = unsafe names, index >= 0, index < count else { return nil }
        return unsafe names[index]
    }
}
