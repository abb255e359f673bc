/// `http.<stat_prefix>.`, what the router filter counts; `http.async-client.` for calls of our own.
@frozen public enum RouterStat: UInt32, StatLeaf {
    case noCluster, noRoute, passthroughInternalRedirectBadLocation, passthroughInternalRedirectNoRoute
    case passthroughInternalRedirectPredicate, passthroughInternalRedirectTooManyRedirects
    case passthroughInternalRedirectUnsafeScheme, rqDirectResponse, rqOverloadLocalReply, rqRedirect
    case rqResetAfterDownstreamResponseStarted, rqTotal

    public static let schema = StatSchema(RouterStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .noCluster: .counter("no_cluster")
        case .noRoute: .counter("no_route")
        case .passthroughInternalRedirectBadLocation: .counter("passthrough_internal_redirect_bad_location")
        case .passthroughInternalRedirectNoRoute: .counter("passthrough_internal_redirect_no_route")
        case .passthroughInternalRedirectPredicate: .counter("passthrough_internal_redirect_predicate")
        case .passthroughInternalRedirectTooManyRedirects: .counter("passthrough_internal_redirect_too_many_redirects")
        case .passthroughInternalRedirectUnsafeScheme: .counter("passthrough_internal_redirect_unsafe_scheme")
        case .rqDirectResponse: .counter("rq_direct_response")
        case .rqOverloadLocalReply: .counter("rq_overload_local_reply")
        case .rqRedirect: .counter("rq_redirect")
        case .rqResetAfterDownstreamResponseStarted: .counter("rq_reset_after_downstream_response_started")
        case .rqTotal: .counter("rq_total")
        }
    }
}

/// `http.<stat_prefix>.tracing.`
@frozen public enum HTTPTracingStat: UInt32, StatLeaf {
    case clientEnabled, healthCheck, notTraceable, randomSampling, serviceForced

    public static let schema = StatSchema(HTTPTracingStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .clientEnabled: .counter("client_enabled")
        case .healthCheck: .counter("health_check")
        case .notTraceable: .counter("not_traceable")
        case .randomSampling: .counter("random_sampling")
        case .serviceForced: .counter("service_forced")
        }
    }
}
