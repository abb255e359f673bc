// Media types of Content-Type fields (RFC 9110 §8.3.1).

import Primitives

package enum MediaType {
    /// Type and subtype, without parameters.
    package static func essence(_ field: Bytes) -> Bytes {
        field.prefix(field.firstIndex(of: 0x3b) ?? field.count).trimmed
    }

    /// Whether the field is of `type`, parameters and case aside.
    package static func matches(_ field: Bytes, _ type: Bytes) -> Bool { essence(field).equalsIgnoringCase(type) }

    /// `application/grpc`, or `application/grpc+` and a format.
    package static func isGRPC(_ field: Bytes) -> Bool {
        let type = essence(field)
        let grpc = Bytes("application/grpc" as StaticString)
        guard type.hasPrefixIgnoringCase(grpc) else { return false }
        return type.count == grpc.count || type[grpc.count] == 0x2b
    }
}
