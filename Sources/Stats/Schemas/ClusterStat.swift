/// `cluster.<name>.`, the traffic: written by the workers.
///
/// What every request touches stands first, on two cache lines.
@frozen public enum ClusterStat: UInt32, StatLeaf {
    case upstreamRqTotal, upstreamRqActive, upstreamRqCompleted, responseCodes, externalResponseCodes, upstreamRqTime
    case externalUpstreamRqTime, upstreamCxRxBytesTotal, upstreamCxTxBytesTotal, upstreamCxRxBytesBuffered
    case upstreamCxTxBytesBuffered, upstreamRqPendingTotal, upstreamRqPendingActive, upstreamCxActive
    case upstreamCxTotal, upstreamCxHttp1Total, bindErrors, circuitBreakersDefaultCxOpen
    case circuitBreakersDefaultCxPoolOpen, circuitBreakersDefaultRqOpen, circuitBreakersDefaultRqPendingOpen
    case circuitBreakersDefaultRqRetryOpen, circuitBreakersHighCxOpen, circuitBreakersHighCxPoolOpen
    case circuitBreakersHighRqOpen, circuitBreakersHighRqPendingOpen, circuitBreakersHighRqRetryOpen, lbHealthyPanic
    case lbLocalClusterNotOk, lbRecalculateZoneStructures, lbSubsetsFallback
    case lbSubsetsFallbackPanic, lbSubsetsSelected, lbZoneClusterTooSmall, lbZoneNoCapacityLeft
    case lbZoneRoutingAllDirectly, lbZoneRoutingCrossZone, lbZoneRoutingSampled, originalDstHostInvalid
    case retryOrShadowAbandoned, upstreamCxCloseNotify, upstreamCxConnectAttemptsExceeded, upstreamCxConnectFail
    case upstreamCxConnectMs, upstreamCxConnectTimeout, upstreamCxConnectWith0Rtt, upstreamCxDestroy
    case upstreamCxDestroyLocal, upstreamCxDestroyLocalWithActiveRq, upstreamCxDestroyRemote
    case upstreamCxDestroyRemoteWithActiveRq, upstreamCxDestroyWithActiveRq, upstreamCxHttp2Total
    case upstreamCxHttp3Total, upstreamCxIdleTimeout, upstreamCxLengthMs, upstreamCxMaxDurationReached
    case upstreamCxMaxRequests, upstreamCxNoneHealthy, upstreamCxOverflow, upstreamCxPoolOverflow
    case upstreamCxPreconnectSkipped, upstreamCxProtocolError, upstreamFlowControlBackedUpTotal
    case upstreamFlowControlDrainedTotal, upstreamFlowControlPausedReadingTotal
    case upstreamFlowControlResumedReadingTotal, upstreamHttp3Broken, upstreamInternalRedirectFailedTotal
    case upstreamInternalRedirectSucceededTotal, upstreamQueueOverloaded, upstreamRq0rtt, upstreamRqActiveOverflow
    case upstreamRqCancelled, upstreamRqMaintenanceMode, upstreamRqMaxDurationReached, upstreamRqPendingFailureEject
    case upstreamRqPendingOverflow, upstreamRqPerCx, upstreamRqPerTryIdleTimeout, upstreamRqPerTryTimeout
    case upstreamRqRetry, upstreamRqRetryBackoffExponential, upstreamRqRetryBackoffRatelimited
    case upstreamRqRetryLimitExceeded, upstreamRqRetryOverflow, upstreamRqRetrySuccess, upstreamRqRxReset
    case upstreamRqRxResetNoError, upstreamRqTimeout, upstreamRqTxReset, internalResponseCodes, canaryResponseCodes
    case internalUpstreamRqTime, canaryUpstreamRqTime, http1DroppedHeadersWithUnderscores
    case http1MetadataNotSupportedError, retryResponseCodes, http1RequestsRejectedWithUnderscoresInHeaders, http1ResponseFlood

    public static let schema = StatSchema(ClusterStat.self, writers: .workers)

    /// Envoy makes the codec's counters with the first connection of its protocol.
    private static let withHttp1 = StatDescriptor.Visibility.whenOtherUsed(leaf: Self.upstreamCxHttp1Total.rawValue)

    public var descriptor: StatDescriptor {
        switch self {
        case .upstreamRqTotal: .counter("upstream_rq_total")
        case .upstreamRqActive: .gauge("upstream_rq_active")
        case .upstreamRqCompleted: .counter("upstream_rq_completed")
        case .responseCodes: .responseCodes("upstream_rq_")
        case .retryResponseCodes: .responseCodes("retry.upstream_rq_", withCompleted: true)
        case .externalResponseCodes: .responseCodes("external.upstream_rq_", withCompleted: true)
        case .upstreamRqTime: .histogram("upstream_rq_time", .milliseconds, .whenUsed)
        case .externalUpstreamRqTime: .histogram("external.upstream_rq_time", .milliseconds, .whenUsed)
        case .upstreamCxRxBytesTotal: .counter("upstream_cx_rx_bytes_total")
        case .upstreamCxTxBytesTotal: .counter("upstream_cx_tx_bytes_total")
        case .upstreamCxRxBytesBuffered: .gauge("upstream_cx_rx_bytes_buffered")
        case .upstreamCxTxBytesBuffered: .gauge("upstream_cx_tx_bytes_buffered")
        case .upstreamRqPendingTotal: .counter("upstream_rq_pending_total")
        case .upstreamRqPendingActive: .gauge("upstream_rq_pending_active")
        case .upstreamCxActive: .gauge("upstream_cx_active")
        case .upstreamCxTotal: .counter("upstream_cx_total")
        case .upstreamCxHttp1Total: .counter("upstream_cx_http1_total")
        case .bindErrors: .counter("bind_errors")
        case .circuitBreakersDefaultCxOpen: .gaugeMax("circuit_breakers.default.cx_open")
        case .circuitBreakersDefaultCxPoolOpen: .gaugeMax("circuit_breakers.default.cx_pool_open")
        case .circuitBreakersDefaultRqOpen: .gaugeMax("circuit_breakers.default.rq_open")
        case .circuitBreakersDefaultRqPendingOpen: .gaugeMax("circuit_breakers.default.rq_pending_open")
        case .circuitBreakersDefaultRqRetryOpen: .gaugeMax("circuit_breakers.default.rq_retry_open")
        case .circuitBreakersHighCxOpen: .gaugeMax("circuit_breakers.high.cx_open")
        case .circuitBreakersHighCxPoolOpen: .gaugeMax("circuit_breakers.high.cx_pool_open")
        case .circuitBreakersHighRqOpen: .gaugeMax("circuit_breakers.high.rq_open")
        case .circuitBreakersHighRqPendingOpen: .gaugeMax("circuit_breakers.high.rq_pending_open")
        case .circuitBreakersHighRqRetryOpen: .gaugeMax("circuit_breakers.high.rq_retry_open")
        case .lbHealthyPanic: .counter("lb_healthy_panic")
        case .lbLocalClusterNotOk: .counter("lb_local_cluster_not_ok")
        case .lbRecalculateZoneStructures: .counter("lb_recalculate_zone_structures")
        case .lbSubsetsFallback: .counter("lb_subsets_fallback")
        case .lbSubsetsFallbackPanic: .counter("lb_subsets_fallback_panic")
        case .lbSubsetsSelected: .counter("lb_subsets_selected")
        case .lbZoneClusterTooSmall: .counter("lb_zone_cluster_too_small")
        case .lbZoneNoCapacityLeft: .counter("lb_zone_no_capacity_left")
        case .lbZoneRoutingAllDirectly: .counter("lb_zone_routing_all_directly")
        case .lbZoneRoutingCrossZone: .counter("lb_zone_routing_cross_zone")
        case .lbZoneRoutingSampled: .counter("lb_zone_routing_sampled")
        case .originalDstHostInvalid: .counter("original_dst_host_invalid")
        case .retryOrShadowAbandoned: .counter("retry_or_shadow_abandoned")
        case .upstreamCxCloseNotify: .counter("upstream_cx_close_notify")
        case .upstreamCxConnectAttemptsExceeded: .counter("upstream_cx_connect_attempts_exceeded")
        case .upstreamCxConnectFail: .counter("upstream_cx_connect_fail")
        case .upstreamCxConnectMs: .histogram("upstream_cx_connect_ms", .milliseconds)
        case .upstreamCxConnectTimeout: .counter("upstream_cx_connect_timeout")
        case .upstreamCxConnectWith0Rtt: .counter("upstream_cx_connect_with_0_rtt")
        case .upstreamCxDestroy: .counter("upstream_cx_destroy")
        case .upstreamCxDestroyLocal: .counter("upstream_cx_destroy_local")
        case .upstreamCxDestroyLocalWithActiveRq: .counter("upstream_cx_destroy_local_with_active_rq")
        case .upstreamCxDestroyRemote: .counter("upstream_cx_destroy_remote")
        case .upstreamCxDestroyRemoteWithActiveRq: .counter("upstream_cx_destroy_remote_with_active_rq")
        case .upstreamCxDestroyWithActiveRq: .counter("upstream_cx_destroy_with_active_rq")
        case .upstreamCxHttp2Total: .counter("upstream_cx_http2_total")
        case .upstreamCxHttp3Total: .counter("upstream_cx_http3_total")
        case .upstreamCxIdleTimeout: .counter("upstream_cx_idle_timeout")
        case .upstreamCxLengthMs: .histogram("upstream_cx_length_ms", .milliseconds)
        case .upstreamCxMaxDurationReached: .counter("upstream_cx_max_duration_reached")
        case .upstreamCxMaxRequests: .counter("upstream_cx_max_requests")
        case .upstreamCxNoneHealthy: .counter("upstream_cx_none_healthy")
        case .upstreamCxOverflow: .counter("upstream_cx_overflow")
        case .upstreamCxPoolOverflow: .counter("upstream_cx_pool_overflow")
        case .upstreamCxPreconnectSkipped: .counter("upstream_cx_preconnect_skipped")
        case .upstreamCxProtocolError: .counter("upstream_cx_protocol_error")
        case .upstreamFlowControlBackedUpTotal: .counter("upstream_flow_control_backed_up_total")
        case .upstreamFlowControlDrainedTotal: .counter("upstream_flow_control_drained_total")
        case .upstreamFlowControlPausedReadingTotal: .counter("upstream_flow_control_paused_reading_total")
        case .upstreamFlowControlResumedReadingTotal: .counter("upstream_flow_control_resumed_reading_total")
        case .upstreamHttp3Broken: .counter("upstream_http3_broken")
        case .upstreamInternalRedirectFailedTotal: .counter("upstream_internal_redirect_failed_total")
        case .upstreamInternalRedirectSucceededTotal: .counter("upstream_internal_redirect_succeeded_total")
        case .upstreamQueueOverloaded: .gauge("upstream_queue_overloaded")
        case .upstreamRq0rtt: .counter("upstream_rq_0rtt")
        case .upstreamRqActiveOverflow: .counter("upstream_rq_active_overflow")
        case .upstreamRqCancelled: .counter("upstream_rq_cancelled")
        case .upstreamRqMaintenanceMode: .counter("upstream_rq_maintenance_mode")
        case .upstreamRqMaxDurationReached: .counter("upstream_rq_max_duration_reached")
        case .upstreamRqPendingFailureEject: .counter("upstream_rq_pending_failure_eject")
        case .upstreamRqPendingOverflow: .counter("upstream_rq_pending_overflow")
        case .upstreamRqPerCx: .histogram("upstream_rq_per_cx", .unspecified)
        case .upstreamRqPerTryIdleTimeout: .counter("upstream_rq_per_try_idle_timeout")
        case .upstreamRqPerTryTimeout: .counter("upstream_rq_per_try_timeout")
        case .upstreamRqRetry: .counter("upstream_rq_retry")
        case .upstreamRqRetryBackoffExponential: .counter("upstream_rq_retry_backoff_exponential")
        case .upstreamRqRetryBackoffRatelimited: .counter("upstream_rq_retry_backoff_ratelimited")
        case .upstreamRqRetryLimitExceeded: .counter("upstream_rq_retry_limit_exceeded")
        case .upstreamRqRetryOverflow: .counter("upstream_rq_retry_overflow")
        case .upstreamRqRetrySuccess: .counter("upstream_rq_retry_success")
        case .upstreamRqRxReset: .counter("upstream_rq_rx_reset")
        case .upstreamRqRxResetNoError: .counter("upstream_rq_rx_reset_no_error")
        case .upstreamRqTimeout: .counter("upstream_rq_timeout")
        case .upstreamRqTxReset: .counter("upstream_rq_tx_reset")
        case .internalResponseCodes: .responseCodes("internal.upstream_rq_", withCompleted: true)
        case .canaryResponseCodes: .responseCodes("canary.upstream_rq_", withCompleted: true)
        case .internalUpstreamRqTime: .histogram("internal.upstream_rq_time", .milliseconds, .whenUsed)
        case .canaryUpstreamRqTime: .histogram("canary.upstream_rq_time", .milliseconds, .whenUsed)
        case .http1DroppedHeadersWithUnderscores: .counter("http1.dropped_headers_with_underscores", Self.withHttp1)
        case .http1MetadataNotSupportedError: .counter("http1.metadata_not_supported_error", Self.withHttp1)
        case .http1RequestsRejectedWithUnderscoresInHeaders:
            .counter("http1.requests_rejected_with_underscores_in_headers", Self.withHttp1)
        case .http1ResponseFlood: .counter("http1.response_flood", Self.withHttp1)
        }
    }
}
