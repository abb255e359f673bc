// The status codes of gRPC and their names (https://github.com/grpc/grpc/blob/master/doc/statuscodes.md).

import Primitives
import Wire

package enum GRPCStatus {
    enum Form: UInt8 { case camel, snake, number }

    private static let camelNames: [StaticString] = [
        "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
        "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
        "Internal", "Unavailable", "DataLoss", "Unauthenticated",
    ]
    private static let snakeNames: [StaticString] = [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
        "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
        "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    ]

    /// Nil for a code without a name.
    static func name(_ code: Int64, _ form: Form) -> Bytes? {
        guard code >= 0, code < Int64(camelNames.count), form != .number else { return nil }
        return Bytes(form == .camel ? camelNames[Int(code)] : snakeNames[Int(code)])
    }

    /// `grpc-status` is there, and is none that means an error of the server (5xx in HTTP's words).
    static func isSuccess(_ head: MessageHead) -> Bool {
        guard let code = head.value(of: .grpcStatus)?.decimal else { return false }
        return switch code {
        case 0, 1, 3, 5, 6, 7, 8, 9, 10, 11, 16: true
        default: false
        }
    }

    /// What a code is in HTTP's words.
    package static func httpStatus(_ code: Int64) -> UInt16 {
        switch code {
        case 0: 200
        case 1: 499
        case 3, 9, 11: 400
        case 4: 504
        case 5: 404
        case 6, 10: 409
        case 7: 403
        case 8: 429
        case 12: 501
        case 14: 503
        case 16: 401
        default: 500
        }
    }

    /// What a response without `grpc-status` means
    /// (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
    package static func code(httpStatus: UInt16) -> Int64 {
        switch httpStatus {
        case 400: 13
        case 401: 16
        case 403: 7
        case 404: 12
        case 429, 502, 503, 504: 14
        default: 2
        }
    }
}
