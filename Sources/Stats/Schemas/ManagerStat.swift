/// `cluster_manager.`
@frozen public enum ClusterManagerStat: UInt32, StatLeaf {
    case activeClusters, clusterAdded, clusterModified, clusterRemoved, clusterUpdated, clusterUpdatedViaMerge
    case updateMergeCancelled, updateOutOfMergeWindow, warmingClusters

    public static let schema = StatSchema(ClusterManagerStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .activeClusters: .gauge("active_clusters")
        case .clusterAdded: .counter("cluster_added")
        case .clusterModified: .counter("cluster_modified")
        case .clusterRemoved: .counter("cluster_removed")
        case .clusterUpdated: .counter("cluster_updated")
        case .clusterUpdatedViaMerge: .counter("cluster_updated_via_merge")
        case .updateMergeCancelled: .counter("update_merge_cancelled")
        case .updateOutOfMergeWindow: .counter("update_out_of_merge_window")
        case .warmingClusters: .gauge("warming_clusters")
        }
    }
}

/// `thread_local_cluster_manager.<main_thread|worker_n>.`
@frozen public enum ThreadLocalClusterManagerStat: UInt32, StatLeaf {
    case clustersInflated

    public static let schema = StatSchema(ThreadLocalClusterManagerStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .clustersInflated: .gauge("clusters_inflated")
        }
    }
}

/// `listener_manager.`
@frozen public enum ListenerManagerStat: UInt32, StatLeaf {
    case listenerAdded, listenerCreateFailure, listenerCreateSuccess, listenerInPlaceUpdated, listenerModified
    case listenerRemoved, listenerStopped, totalFilterChainsDraining, totalListenersActive, totalListenersDraining
    case totalListenersWarming, workersPinned, workersStarted

    public static let schema = StatSchema(ListenerManagerStat.self, writers: .main)

    public var descriptor: StatDescriptor {
        switch self {
        case .listenerAdded: .counter("listener_added")
        case .listenerCreateFailure: .counter("listener_create_failure")
        case .listenerCreateSuccess: .counter("listener_create_success")
        case .listenerInPlaceUpdated: .counter("listener_in_place_updated")
        case .listenerModified: .counter("listener_modified")
        case .listenerRemoved: .counter("listener_removed")
        case .listenerStopped: .counter("listener_stopped")
        case .totalFilterChainsDraining: .gauge("total_filter_chains_draining")
        case .totalListenersActive: .gauge("total_listeners_active")
        case .totalListenersDraining: .gauge("total_listeners_draining")
        case .totalListenersWarming: .gauge("total_listeners_warming")
        case .workersPinned: .gauge("workers_pinned")
        case .workersStarted: .gauge("workers_started")
        }
    }
}
