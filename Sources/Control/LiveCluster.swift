// A cluster as main keeps it: what it was compiled from and to, its hosts, and what is remembered of them.

import EnvoyAPI
import Pipeline
import Primitives
import Stats
import Upstream

@safe
package final class LiveCluster: LiveResource {
    let draft: ClusterDraft
    package let name: String
    private let kept: KeptMessage<ClusterMessage>
    package var message: ClusterMessage { kept.message }
    var messageBytes: Int { kept.count }
    let control: StatScope<ClusterControlStat>
    package internal(set) var hosts: PlanPart?
    package internal(set) var hostConfigs: [HostConfig] = []
    /// Of their statistics, where endpoints are shown one by one.
    var hostScopes: [StatScopeRef] = []
    var set: UnsafePointer<HostSet>?
    var config: UnsafePointer<ClusterConfig>?
    /// By endpoint.
    var addresses: [[SocketAddress]] = []
    /// Nanoseconds since 1970.
    package let updatedNs = Clock.wallNs()
    /// Hosts of the cluster that this one replaces, until its own names are answered for.
    var borrowed: [KnownHost]?
    var hostMetadata: [SubsetMetadata] = []
    /// By the names of their statistics.
    var hostConnections: [String: WeakConnections] = [:]
    var subsetNames: Set<[[UInt8]]> = []
    var hadHosts = false
    /// Endpoints whose names have been answered for.
    var answeredEndpoints: Set<Int> = []
    /// Of an ORIGINAL_DST cluster: the hosts that its gauges showed last.
    var shownAddresses: Set<String> = []
    var resolution: ClusterResolution?
    var predecessor: LiveCluster?

    init(_ draft: ClusterDraft, _ message: ClusterMessage, _ control: StatScope<ClusterControlStat>) {
        self.draft = draft
        name = message.name
        kept = KeptMessage(message)
        self.control = control
    }

    var key: String { name }
    var part: PlanPart { draft.part }
    var tls: [TLSDraft] { draft.tls }
    package var limits: (normal: CircuitLimits, high: CircuitLimits) {
        (draft.config.defaultLimits, draft.config.highLimits)
    }
}
