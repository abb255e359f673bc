// Whether a message is gRPC, as its head says (gRPC over HTTP/2, "Requests", "Responses").

import Primitives

package enum GRPCContent {
    /// `application/grpc`, or `application/grpc+` and a format; as Envoy compares it, letter by letter.
    @inline(__always)
    package static func isGRPC(_ contentType: Bytes) -> Bool {
        let grpc = Bytes("application/grpc" as StaticString)
        guard contentType.hasPrefix(grpc) else { return false }
        return contentType.count == grpc.count || contentType[grpc.count] == UInt8(ascii: "+")
    }

    package static func isRequest(_ head: MessageHead) -> Bool { head.value(of: .contentType).map { isGRPC($0) } ?? false }

    /// A response that ends with its head has its status there.
    package static func isResponse(_ head: MessageHead, endStream: Bool) -> Bool {
        if endStream { return head.has(.grpcStatus) }
        return head.status == 200 && (head.value(of: .contentType).map { isGRPC($0) } ?? false)
    }

    /// `/package.Service/Method`, a query aside; nil for any other path.
    package static func method(of path: Bytes) -> (service: Bytes, method: Bytes)? {
        let path = path.prefix(path.firstIndex(of: UInt8(ascii: "?")) ?? path.count)
        var parts = (Bytes.empty, Bytes.empty)
        var count = 0
        var start = 0
        while start < path.count {
            let end = path.firstIndex(of: UInt8(ascii: "/"), from: start) ?? path.count
            if end > start {
                if count == 0 { parts.0 = path.part(start, end) } else { parts.1 = path.part(start, end) }
                count &+= 1
            }
            start = end &+ 1
        }
        return count == 2 ? parts : nil
    }
}
