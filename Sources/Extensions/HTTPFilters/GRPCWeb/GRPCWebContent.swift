// The content types of gRPC-Web (gRPC's PROTOCOL-WEB.md).

import Primitives
import Wire

enum GRPCWebContent {
    case binary, text

    /// Nil: not gRPC-Web. Envoy compares the whole field, so that a parameter makes another type of it.
    init?(_ contentType: Bytes?) {
        guard let type = contentType else { return nil }
        if type.equals(Bytes("application/grpc-web" as StaticString)) || type.equals(Bytes("application/grpc-web+proto" as StaticString)) {
            self = .binary
        } else if type.equals(Bytes("application/grpc-web-text" as StaticString))
            || type.equals(Bytes("application/grpc-web-text+proto" as StaticString))
        {
            self = .text
        } else {
            return nil
        }
    }

    /// Whether an `accept` is a type of text, and nothing else.
    static func exactText(_ accept: Bytes?) -> Bool {
        guard let accept else { return false }
        return accept.equals(Bytes("application/grpc-web-text" as StaticString))
            || accept.equals(Bytes("application/grpc-web-text+proto" as StaticString))
    }
}
