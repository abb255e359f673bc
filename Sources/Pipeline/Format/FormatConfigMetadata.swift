// `%METADATA(ROUTE:…)%` and its like, `%CLUSTER_METADATA(…)%`, `%UPSTREAM_METADATA(…)%`: what configuration says of the things
// that a request met.

import Primitives
import Upstream

/// Whose metadata (`FormatPiece.option`).
enum MetadataOwner: UInt8 {
    case route, virtualHost, cluster, host, listener, filterChain

    init?(_ name: String) {
        switch name {
        case "ROUTE": self = .route
        case "CLUSTER": self = .cluster
        case "UPSTREAM_HOST": self = .host
        case "VIRTUAL_HOST": self = .virtualHost
        case "LISTENER": self = .listener
        case "LISTENER_FILTER_CHAIN": self = .filterChain
        default: return nil
        }
    }
}

/// `metadata` of `custom_tags`: what configuration says of the route, of the cluster or of the host.
package struct MetadataTag: BitwiseCopyable {
    package enum Owner: BitwiseCopyable { case route, cluster, host }
    package var owner: Owner
    /// The namespace and the keys below it, each with a NUL behind it.
    package var path: Bytes
    package init(_ owner: Owner, _ path: Bytes) {
        self.owner = owner
        self.path = path
    }
}

/// What configuration says of a connection's listener and filter chain.
@safe
package struct ChainMetadata: BitwiseCopyable {
    package var listener: FrozenMetadata?
    package var chain: FrozenMetadata?
    package var chainName = Bytes.empty
    /// `traffic_direction`: 1 inbound, 2 outbound, 0 neither.
    package var direction: UInt8 = 0
    package init() {}
}

extension FormatSource {
    var chainMetadata: ChainMetadata {
        unsafe stream?.pointee.http.pointee.metadata ?? tcp?.pointee.metadata ?? ChainMetadata()
    }
}

extension FormatMetadata {
    /// `namespace[:key…]`
    static func config(_ owner: MetadataOwner, _ parts: ArraySlice<String>, _ arena: FrozenArena, _ piece: inout FormatPiece) {
        piece.op = .configMetadata
        piece.option = owner.rawValue
        piece.text = arena.text(parts.flatMap { Array($0.utf8) + [0] })
    }
}

extension FormatWriter {
    func configMetadata(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource) -> FormatValue {
        let metadata: FrozenMetadata? = switch unsafe MetadataOwner(rawValue: piece.pointee.option) {
        case .route: unsafe source.stream?.pointee.route?.pointee.metadata
        case .cluster: unsafe source.cluster?.pointee.metadata
        case .host: unsafe source.host?.pointee.metadata
        case .virtualHost: unsafe source.stream?.pointee.virtualHost?.pointee.metadata
        case .listener: source.chainMetadata.listener
        case .filterChain: source.chainMetadata.chain
        case .none: nil
        }
        guard let entry = unsafe metadata?.entry(piece.pointee.text) else { return .missing }
        return entry.isText ? .text(entry.value) : .json(entry.value)
    }

    /// Nil: it has no such metadata. A cluster's is that of the host that was chosen.
    func value(of tag: MetadataTag, _ source: FormatSource) -> Bytes? {
        let metadata: FrozenMetadata? = switch tag.owner {
        case .route: unsafe source.stream?.pointee.route?.pointee.metadata
        case .cluster: unsafe source.host == nil ? nil : source.cluster?.pointee.metadata
        case .host: unsafe source.host?.pointee.metadata
        }
        return metadata?.entry(tag.path)?.tag
    }
}
