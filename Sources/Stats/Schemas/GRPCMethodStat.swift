/// `cluster.<name>.grpc.<service>.<method>.` and `….grpc-web.…`: made with the first use of each.
@frozen public enum GRPCMethodStat: UInt32, StatLeaf {
    // By `grpc-status`; the raw value is the code.
    case ok, cancelled, unknown, invalidArgument, deadlineExceeded, notFound, alreadyExists, permissionDenied
    case resourceExhausted, failedPrecondition, aborted, outOfRange, unimplemented, `internal`, unavailable, dataLoss
    case unauthenticated
    case success, failure, total, requestMessageCount, responseMessageCount, upstreamRqTime

    public static let schema = StatSchema(GRPCMethodStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .ok: .counter("0", .whenUsed)
        case .cancelled: .counter("1", .whenUsed)
        case .unknown: .counter("2", .whenUsed)
        case .invalidArgument: .counter("3", .whenUsed)
        case .deadlineExceeded: .counter("4", .whenUsed)
        case .notFound: .counter("5", .whenUsed)
        case .alreadyExists: .counter("6", .whenUsed)
        case .permissionDenied: .counter("7", .whenUsed)
        case .resourceExhausted: .counter("8", .whenUsed)
        case .failedPrecondition: .counter("9", .whenUsed)
        case .aborted: .counter("10", .whenUsed)
        case .outOfRange: .counter("11", .whenUsed)
        case .unimplemented: .counter("12", .whenUsed)
        case .internal: .counter("13", .whenUsed)
        case .unavailable: .counter("14", .whenUsed)
        case .dataLoss: .counter("15", .whenUsed)
        case .unauthenticated: .counter("16", .whenUsed)
        case .success: .counter("success", .whenUsed)
        case .failure: .counter("failure", .whenUsed)
        case .total: .counter("total", .whenUsed)
        case .requestMessageCount: .counter("request_message_count", .whenUsed)
        case .responseMessageCount: .counter("response_message_count", .whenUsed)
        case .upstreamRqTime: .histogram("upstream_rq_time", .milliseconds, .whenUsed)
        }
    }
}
