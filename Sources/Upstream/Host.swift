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
    /// The cluster that it was made for. A cluster that a plan replaces lives on until its last host is gone, so that
    /// what was counted there is given back there.
    package let cluster: UnsafeMutablePointer<Cluster>
    /// Part number of the host set that `config` lies in, pinned.
    package var part: UInt32 = .max
    /// Most recently used idle connection, linked through the sessions: the hot one is used again, cold ones time out.
    package var idleHead: Handle = .none
    package var idleCount: UInt32 = 0
    /// Streams that wait for a connection, oldest first.
    package var pendingHead: Handle = .none
    package var pendingTail: Handle = .none
    package var pendingCount: UInt32 = 0
    /// TCP sessions that wait for a connection of the host to end.
    package var tcpHead: Handle = .none
    package var tcpTail: Handle = .none
    /// A connection of it has ended: the worker looks at the end of its turn who waits for a place.
    package var isToServe = false
    /// Connections of HTTP/2 that take requests, linked through their sessions.
    package var http2Head: Handle = .none
    package var http2ConnectingCount: UInt32 = 0
    /// Of a cluster that leaves the protocol to the handshake: the last one said HTTP/1.
    package var answersHTTP1 = false
    /// How many of the waiting streams want HTTP/2.
    package var pendingHTTP2Count: UInt32 = 0
    package var connectingCount: UInt32 = 0
    package var connectionCount: UInt32 = 0
    package var activeRequests: UInt32 = 0
    /// Priorities, a bit each, for which there is a pool that counts against `max_connection_pools`.
    package var pools: UInt8 = 0
    /// `close_connections_on_host_set_change`: how often hosts have come or gone. What was opened before is not used again.
    package var drains: UInt64 = 0
    /// Connections of `tcp_proxy`, and those of them that nobody has yet (`TCPAhead`): established ones first.
    package var tcpConnections: Int32 = 0
    package var aheadCount: Int32 = 0
    package var aheadHead: Handle = .none
    package var aheadTail: Handle = .none
    /// Connections that were counted as HTTP/1 when they were opened and then went to a CONNECT: as many may carry HTTP
    /// without being counted again.
    package var countedHTTP1: UInt32 = 0
    /// Of an ORIGINAL_DST cluster: the next one of its bucket, and whether anybody has asked for it since the last look.
    package var nextOriginal: Handle = .none
    /// Its place on the board; −1: it has none.
    package var boardPlace = -1
    package var isUsed = false
    /// No longer in the host set: no new requests, idle connections closed.
    package var isRemoved = false

    package init(handle: Handle, config: HostConfig, cluster: UnsafeMutablePointer<Cluster>) {
        self.handle = handle
        self.config = config
        unsafe self.cluster = unsafe cluster
    }
}
