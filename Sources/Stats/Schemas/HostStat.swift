/// One upstream host, as `/clusters` shows it. Not part of `/stats`.
@frozen public enum HostStat: UInt32, StatLeaf {
    case cxTotal, cxActive, cxConnectFail, rqTotal, rqActive, rqSuccess, rqError, rqTimeout, rqPendingActive

    public static let schema = StatSchema(HostStat.self, writers: .workers, isListed: false)

    public var descriptor: StatDescriptor {
        switch self {
        case .cxTotal: .counter("cx_total")
        case .cxActive: .gauge("cx_active")
        case .cxConnectFail: .counter("cx_connect_fail")
        case .rqTotal: .counter("rq_total")
        case .rqActive: .gauge("rq_active")
        case .rqSuccess: .counter("rq_success")
        case .rqError: .counter("rq_error")
        case .rqTimeout: .counter("rq_timeout")
        case .rqPendingActive: .gauge("rq_pending_active")
        }
    }
}
