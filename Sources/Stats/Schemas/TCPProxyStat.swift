/// `tcp.<stat_prefix>.`
@frozen public enum TCPProxyStat: UInt32, StatLeaf {
    case downstreamCxDrainClose, downstreamCxNoRoute, downstreamCxOverloadClose, downstreamCxRxBytesBuffered
    case downstreamCxRxBytesTotal, downstreamCxTotal, downstreamCxTxBytesBuffered, downstreamCxTxBytesTotal
    case downstreamFlowControlPausedReadingTotal, downstreamFlowControlResumedReadingTotal
    case earlyDataReceivedCountTotal, idleTimeout, maxDownstreamConnectionDuration, routeDelayedTotal
    case upstreamFlushActive, upstreamFlushTotal

    public static let schema = StatSchema(TCPProxyStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .downstreamCxDrainClose: .counter("downstream_cx_drain_close")
        case .downstreamCxNoRoute: .counter("downstream_cx_no_route")
        case .downstreamCxOverloadClose: .counter("downstream_cx_overload_close")
        case .downstreamCxRxBytesBuffered: .gauge("downstream_cx_rx_bytes_buffered")
        case .downstreamCxRxBytesTotal: .counter("downstream_cx_rx_bytes_total")
        case .downstreamCxTotal: .counter("downstream_cx_total")
        case .downstreamCxTxBytesBuffered: .gauge("downstream_cx_tx_bytes_buffered")
        case .downstreamCxTxBytesTotal: .counter("downstream_cx_tx_bytes_total")
        case .downstreamFlowControlPausedReadingTotal: .counter("downstream_flow_control_paused_reading_total")
        case .downstreamFlowControlResumedReadingTotal: .counter("downstream_flow_control_resumed_reading_total")
        case .earlyDataReceivedCountTotal: .counter("early_data_received_count_total")
        case .idleTimeout: .counter("idle_timeout")
        case .maxDownstreamConnectionDuration: .counter("max_downstream_connection_duration")
        case .routeDelayedTotal: .counter("route_delayed_total")
        case .upstreamFlushActive: .gauge("upstream_flush_active")
        case .upstreamFlushTotal: .counter("upstream_flush_total")
        }
    }
}
