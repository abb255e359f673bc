// The attributes that expressions may name, as Envoy 1.40 has them. What each of them gives is in `CELAttributes`.

import Primitives

/// What an expression's first name may be.
enum CELGroup: UInt8, BitwiseCopyable {
    case request, response, connection, upstream, source, destination, xds, filterState, upstreamFilterState

    static let names: [String: CELGroup] = [
        "request": .request, "response": .response, "connection": .connection, "upstream": .upstream, "source": .source,
        "destination": .destination, "xds": .xds, "filter_state": .filterState,
    ]
}

enum CELAttribute: UInt8, BitwiseCopyable, CaseIterable {
    case requestPath, requestURLPath, requestHost, requestScheme, requestMethod, requestHeaders, requestReferer, requestUserAgent
    case requestTime, requestID, requestProtocol, requestDuration, requestSize, requestTotalSize, requestQuery
    case responseCode, responseCodeDetails, responseFlags, responseHeaders, responseTrailers, responseSize, responseTotalSize
    case responseGRPCStatus, responseBackendLatency
    case connectionMTLS, connectionServerName, connectionTLSVersion, connectionID, connectionTerminationDetails
    case connectionFailureReason, connectionSubjectLocal, connectionSubjectPeer, connectionURILocal, connectionURIPeer
    case connectionDNSLocal, connectionDNSPeer, connectionPeerDigest
    case upstreamAddress, upstreamPort, upstreamLocalAddress, upstreamFailureReason, upstreamAttempts, upstreamPoolReady
    case upstreamTLSVersion, upstreamSubjectLocal, upstreamSubjectPeer, upstreamURILocal, upstreamURIPeer, upstreamDNSLocal
    case upstreamDNSPeer, upstreamPeerDigest
    case sourceAddress, sourcePort, destinationAddress, destinationPort
    case xdsNode, xdsClusterName, xdsClusterMetadata, xdsRouteName, xdsRouteMetadata, xdsVirtualHostName, xdsVirtualHostMetadata
    case xdsHostMetadata, xdsHostLocalityMetadata, xdsFilterChainName, xdsListenerMetadata, xdsListenerDirection
    /// Not in a group.
    case response, metadata, upstreamFilterState

    /// Where it stands; the last ones stand alone.
    private var place: (group: CELGroup, name: StaticString)? {
        switch self {
        case .requestPath: (.request, "path")
        case .requestURLPath: (.request, "url_path")
        case .requestHost: (.request, "host")
        case .requestScheme: (.request, "scheme")
        case .requestMethod: (.request, "method")
        case .requestHeaders: (.request, "headers")
        case .requestReferer: (.request, "referer")
        case .requestUserAgent: (.request, "useragent")
        case .requestTime: (.request, "time")
        case .requestID: (.request, "id")
        case .requestProtocol: (.request, "protocol")
        case .requestDuration: (.request, "duration")
        case .requestSize: (.request, "size")
        case .requestTotalSize: (.request, "total_size")
        case .requestQuery: (.request, "query")
        case .responseCode: (.response, "code")
        case .responseCodeDetails: (.response, "code_details")
        case .responseFlags: (.response, "flags")
        case .responseHeaders: (.response, "headers")
        case .responseTrailers: (.response, "trailers")
        case .responseSize: (.response, "size")
        case .responseTotalSize: (.response, "total_size")
        case .responseGRPCStatus: (.response, "grpc_status")
        case .responseBackendLatency: (.response, "backend_latency")
        case .connectionMTLS: (.connection, "mtls")
        case .connectionServerName: (.connection, "requested_server_name")
        case .connectionTLSVersion: (.connection, "tls_version")
        case .connectionID: (.connection, "id")
        case .connectionTerminationDetails: (.connection, "termination_details")
        case .connectionFailureReason: (.connection, "transport_failure_reason")
        case .connectionSubjectLocal: (.connection, "subject_local_certificate")
        case .connectionSubjectPeer: (.connection, "subject_peer_certificate")
        case .connectionURILocal: (.connection, "uri_san_local_certificate")
        case .connectionURIPeer: (.connection, "uri_san_peer_certificate")
        case .connectionDNSLocal: (.connection, "dns_san_local_certificate")
        case .connectionDNSPeer: (.connection, "dns_san_peer_certificate")
        case .connectionPeerDigest: (.connection, "sha256_peer_certificate_digest")
        case .upstreamAddress: (.upstream, "address")
        case .upstreamPort: (.upstream, "port")
        case .upstreamLocalAddress: (.upstream, "local_address")
        case .upstreamFailureReason: (.upstream, "transport_failure_reason")
        case .upstreamAttempts: (.upstream, "request_attempt_count")
        case .upstreamPoolReady: (.upstream, "cx_pool_ready_duration")
        case .upstreamTLSVersion: (.upstream, "tls_version")
        case .upstreamSubjectLocal: (.upstream, "subject_local_certificate")
        case .upstreamSubjectPeer: (.upstream, "subject_peer_certificate")
        case .upstreamURILocal: (.upstream, "uri_san_local_certificate")
        case .upstreamURIPeer: (.upstream, "uri_san_peer_certificate")
        case .upstreamDNSLocal: (.upstream, "dns_san_local_certificate")
        case .upstreamDNSPeer: (.upstream, "dns_san_peer_certificate")
        case .upstreamPeerDigest: (.upstream, "sha256_peer_certificate_digest")
        case .sourceAddress: (.source, "address")
        case .sourcePort: (.source, "port")
        case .destinationAddress: (.destination, "address")
        case .destinationPort: (.destination, "port")
        case .xdsNode: (.xds, "node")
        case .xdsClusterName: (.xds, "cluster_name")
        case .xdsClusterMetadata: (.xds, "cluster_metadata")
        case .xdsRouteName: (.xds, "route_name")
        case .xdsRouteMetadata: (.xds, "route_metadata")
        case .xdsVirtualHostName: (.xds, "virtual_host_name")
        case .xdsVirtualHostMetadata: (.xds, "virtual_host_metadata")
        case .xdsHostMetadata: (.xds, "upstream_host_metadata")
        case .xdsHostLocalityMetadata: (.xds, "upstream_host_locality_metadata")
        case .xdsFilterChainName: (.xds, "filter_chain_name")
        case .xdsListenerMetadata: (.xds, "listener_metadata")
        case .xdsListenerDirection: (.xds, "listener_direction")
        case .response, .metadata, .upstreamFilterState: nil
        }
    }

    /// By their numbers, in memory that costs no reference count to read.
    @safe
    private struct Table: @unchecked Sendable {  // written once, before any reader: `static let`
        let names: UnsafeMutablePointer<Bytes>
        let groups: UnsafeMutablePointer<CELGroup>
    }

    private static let count = CELAttribute.allCases.count

    private static let table: Table = {
        let table = unsafe Table(names: .allocate(capacity: count), groups: .allocate(capacity: count))
        for attribute in CELAttribute.allCases {
            let place = attribute.place
            unsafe (table.names + Int(attribute.rawValue)).initialize(to: place.map { Bytes($0.name) } ?? .empty)
            unsafe (table.groups + Int(attribute.rawValue)).initialize(to: place?.group ?? .filterState)
        }
        return table
    }()

    /// Nil: the group has no such attribute.
    static func find(_ group: CELGroup, _ name: Bytes) -> CELAttribute? {
        guard !name.isEmpty else { return nil }
        for i in 0..<count where unsafe table.groups[i] == group && table.names[i].equals(name) {
            return CELAttribute(rawValue: UInt8(truncatingIfNeeded: i))
        }
        return nil
    }
}
