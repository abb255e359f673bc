/// `cluster.<name>.`, the control plane: membership, updates, warming. Written by main.
@frozen public enum ClusterControlStat: UInt32, StatLeaf {
    case assignmentStale, assignmentTimeoutReceived, assignmentUseCached, defaultTotalMatchCount, lbSubsetsActive, lbSubsetsCreated
    case lbSubsetsRemoved, maxHostWeight
    case membershipChange, membershipDegraded, membershipExcluded, membershipHealthy, membershipTotal, updateAttempt
    case updateEmpty, updateFailure, updateNoRebuild, updateSuccess, version, warmingState

    public static let schema = StatSchema(ClusterControlStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .assignmentStale: .counter("assignment_stale")
        case .assignmentTimeoutReceived: .counter("assignment_timeout_received")
        case .assignmentUseCached: .counter("assignment_use_cached")
        case .defaultTotalMatchCount: .counter("default.total_match_count")
        case .lbSubsetsActive: .gauge("lb_subsets_active")
        case .lbSubsetsCreated: .counter("lb_subsets_created")
        case .lbSubsetsRemoved: .counter("lb_subsets_removed")
        case .maxHostWeight: .gauge("max_host_weight")
        case .membershipChange: .counter("membership_change")
        case .membershipDegraded: .gauge("membership_degraded")
        case .membershipExcluded: .gauge("membership_excluded")
        case .membershipHealthy: .gauge("membership_healthy")
        case .membershipTotal: .gauge("membership_total")
        case .updateAttempt: .counter("update_attempt")
        case .updateEmpty: .counter("update_empty")
        case .updateFailure: .counter("update_failure")
        case .updateNoRebuild: .counter("update_no_rebuild")
        case .updateSuccess: .counter("update_success")
        case .version: .gauge("version")
        case .warmingState: .gauge("warming_state")
        }
    }
}

/// `cluster.<name>.`, with `lb_subset_config`.
@frozen public enum SubsetStat: UInt32, StatLeaf {
    case singleHostPerSubsetDuplicate

    public static let schema = StatSchema(SubsetStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .singleHostPerSubsetDuplicate: .gauge("lb_subsets_single_host_per_subset_duplicate")
        }
    }
}

/// `cluster.<name>.health_check.`, where active health checks are configured.
@frozen public enum HealthCheckStat: UInt32, StatLeaf {
    case attempt, degraded, failure, healthy, networkFailure, passiveFailure, success, verifyCluster

    public static let schema = StatSchema(HealthCheckStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .attempt: .counter("attempt")
        case .degraded: .gauge("degraded")
        case .failure: .counter("failure")
        case .healthy: .gauge("healthy")
        case .networkFailure: .counter("network_failure")
        case .passiveFailure: .counter("passive_failure")
        case .success: .counter("success")
        case .verifyCluster: .counter("verify_cluster")
        }
    }
}

/// `cluster.<name>.outlier_detection.`, where it is configured.
@frozen public enum OutlierDetectionStat: UInt32, StatLeaf {
    case ejectionsActive, ejectionsConsecutive5xx, ejectionsDetectedConsecutive5xx
    case ejectionsDetectedConsecutiveGatewayFailure, ejectionsDetectedConsecutiveLocalOriginFailure
    case ejectionsDetectedDegradation, ejectionsDetectedFailurePercentage
    case ejectionsDetectedLocalOriginFailurePercentage, ejectionsDetectedLocalOriginSuccessRate
    case ejectionsDetectedSuccessRate, ejectionsEnforcedConsecutive5xx, ejectionsEnforcedConsecutiveGatewayFailure
    case ejectionsEnforcedConsecutiveLocalOriginFailure, ejectionsEnforcedFailurePercentage
    case ejectionsEnforcedLocalOriginFailurePercentage, ejectionsEnforcedLocalOriginSuccessRate
    case ejectionsEnforcedSuccessRate, ejectionsEnforcedTotal, ejectionsOverflow, ejectionsSuccessRate, ejectionsTotal

    public static let schema = StatSchema(OutlierDetectionStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .ejectionsActive: .gauge("ejections_active")
        case .ejectionsConsecutive5xx: .counter("ejections_consecutive_5xx")
        case .ejectionsDetectedConsecutive5xx: .counter("ejections_detected_consecutive_5xx")
        case .ejectionsDetectedConsecutiveGatewayFailure: .counter("ejections_detected_consecutive_gateway_failure")
        case .ejectionsDetectedConsecutiveLocalOriginFailure:
            .counter("ejections_detected_consecutive_local_origin_failure")
        case .ejectionsDetectedDegradation: .counter("ejections_detected_degradation")
        case .ejectionsDetectedFailurePercentage: .counter("ejections_detected_failure_percentage")
        case .ejectionsDetectedLocalOriginFailurePercentage:
            .counter("ejections_detected_local_origin_failure_percentage")
        case .ejectionsDetectedLocalOriginSuccessRate: .counter("ejections_detected_local_origin_success_rate")
        case .ejectionsDetectedSuccessRate: .counter("ejections_detected_success_rate")
        case .ejectionsEnforcedConsecutive5xx: .counter("ejections_enforced_consecutive_5xx")
        case .ejectionsEnforcedConsecutiveGatewayFailure: .counter("ejections_enforced_consecutive_gateway_failure")
        case .ejectionsEnforcedConsecutiveLocalOriginFailure:
            .counter("ejections_enforced_consecutive_local_origin_failure")
        case .ejectionsEnforcedFailurePercentage: .counter("ejections_enforced_failure_percentage")
        case .ejectionsEnforcedLocalOriginFailurePercentage:
            .counter("ejections_enforced_local_origin_failure_percentage")
        case .ejectionsEnforcedLocalOriginSuccessRate: .counter("ejections_enforced_local_origin_success_rate")
        case .ejectionsEnforcedSuccessRate: .counter("ejections_enforced_success_rate")
        case .ejectionsEnforcedTotal: .counter("ejections_enforced_total")
        case .ejectionsOverflow: .counter("ejections_overflow")
        case .ejectionsSuccessRate: .counter("ejections_success_rate")
        case .ejectionsTotal: .counter("ejections_total")
        }
    }
}
