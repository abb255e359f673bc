/// `http_inspector.`, one for the process.
@frozen public enum HTTPInspectorStat: UInt32, StatLeaf {
    case http10Found, http11Found, http2Found, httpNotFound, readError

    public static let schema = StatSchema(HTTPInspectorStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .http10Found: .counter("http10_found")
        case .http11Found: .counter("http11_found")
        case .http2Found: .counter("http2_found")
        case .httpNotFound: .counter("http_not_found")
        case .readError: .counter("read_error")
        }
    }
}
