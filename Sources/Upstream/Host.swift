// One upstream host as one worker sees it: its idle connections and what is active on it.
//
// Lives as long as the cluster lists the host or a connection to it is open. Host sets come and go; a host that is in
// the old and the new one keeps its `Host`, and with it its connections.

import Primitives
import Transport

@safe
package struct Host {
    package var handle: Handle
    package var config: HostConfig
    /// Slot of the cluster.
    package var cluster: UInt32
    /// Part number of that cluster: a slot may get a new cluster while connections to old hosts are open.
    package var clusterPart: UInt32
    /// Part number of the host set that `config` lies in, pinned.
    package var part: UInt32 = .max
    /// Most recently used idle connection, linked through the sessions: the hot one is used again, cold ones time out.
    package var idleHead: Handle = .none
    package var idleCount: UInt32 = 0
    /// Streams that wait for a connection, oldest first.
    package var pendingHead: Handle = .none
    package var pendingTail: Handle = .none
    package var pendingCount: UInt32 = 0
    package var connectingCount: UInt32 = 0
    package var connectionCount: UInt32 = 0
    package var activeRequests: UInt32 = 0
    /// No longer in the host set: no new requests, idle connections closed.
    package var isRemoved = false

    package init(handle: Handle, config: HostConfig, cluster: UInt32, clusterPart: UInt32) {
        self.handle = handle
        self.config = config
        self.cluster = cluster
        self.clusterPart = clusterPart
    }
}
