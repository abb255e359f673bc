// ORIGINAL_DST clusters: the host is the address that the client's connection was meant for, or that a header of the request
// names.

import Primitives
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // HOT: per request.
    /// Nil: nothing says where to.
    func originalHost(
        _ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>, _ config: UnsafePointer<OriginalDstConfig>
    ) -> UnsafeMutablePointer<Host>? {
        var address = unsafe metadataHost(stream.pointee.downstream, cluster, config)
        let header = unsafe config.pointee.header
        if address.family == .none, !header.isEmpty, let value = unsafe stream.pointee.request.value(named: header) {
            if let named = SocketAddress(hostAndPort: value) {
                address = named
            } else {
                unsafe count(cluster.pointee.config.pointee.stats, .originalDstHostInvalid)
            }
        }
        if address.family == .none { address = unsafe originalDestination(stream.pointee.downstream) }
        return unsafe originalHost(address, cluster, config)
    }

    func originalHost(
        _ client: Handle, _ cluster: UnsafeMutablePointer<Cluster>, _ config: UnsafePointer<OriginalDstConfig>
    ) -> UnsafeMutablePointer<Host>? {
        let named = unsafe metadataHost(client, cluster, config)
        return unsafe originalHost(named.family == .none ? originalDestination(client) : named, cluster, config)
    }

    /// What the connection's dynamic metadata says (`metadata_key`): a PROXY header's TLV, by the listener filter's rules.
    private func metadataHost(
        _ client: Handle, _ cluster: UnsafeMutablePointer<Cluster>, _ config: UnsafePointer<OriginalDstConfig>
    ) -> SocketAddress {
        guard unsafe !config.pointee.metadataKey.isEmpty, let inspection = unsafe inspection(of: client),
            let proxy = unsafe inspection.pointee.proxy.config, unsafe !proxy.pointee.isFilterState
        else { return SocketAddress() }
        let rules = unsafe proxy.pointee.rules
        for i in 0..<rules.count where unsafe rules[i].namespace.equals(config.pointee.metadataNamespace) && rules[i].key.equals(config.pointee.metadataKey) {
            guard let value = unsafe ProxyTLVs.find(rules[i].type, in: inspection.pointee.proxy.tlvs, last: false) else { continue }
            if let address = SocketAddress(hostAndPort: value) { return address }
            unsafe count(cluster.pointee.config.pointee.stats, .originalDstHostInvalid)
            break
        }
        return SocketAddress()
    }

    /// The local address of a client's connection, where a listener filter has restored it.
    private func originalDestination(_ client: Handle) -> SocketAddress {
        guard let connection = unsafe connections.slab[client], let inspection = unsafe inspections[connection.pointee.inspection],
            unsafe inspection.pointee.directLocal.family != .none
        else { return SocketAddress() }
        return unsafe connection.pointee.local
    }

    private func originalHost(
        _ original: SocketAddress, _ cluster: UnsafeMutablePointer<Cluster>, _ config: UnsafePointer<OriginalDstConfig>
    ) -> UnsafeMutablePointer<Host>? {
        guard original.family == .ipv4 || original.family == .ipv6 else { return nil }
        var address = original
        if unsafe config.pointee.port != 0 { address.port = unsafe config.pointee.port }
        if let host = unsafe cluster.pointee.originals?.find(address, hosts) {
            unsafe host.pointee.isUsed = true
            return unsafe host
        }
        if unsafe cluster.pointee.originals == nil { unsafe cluster.pointee.originals = OriginalHosts() }
        guard unsafe (cluster.pointee.originals?.count ?? 0) < OriginalHosts.hostsMax, let (handle, host) = unsafe hosts.allocate()
        else { return nil }
        var own = HostConfig()
        own.address = address
        own.stats = unsafe config.pointee.hostStats
        var place = -1
        if let board = unsafe config.pointee.board, let taken = unsafe cluster.pointee.originals?.takePlace() {
            place = taken
            own.stats = board.stats[taken]
            // It may have been another host's.
            for leaf in HostStat.allCases { cells.clear(own.stats &+ leaf.rawValue) }
            board.show(address, worker: index, place: taken)
        }
        unsafe host.initialize(to: Host(handle: handle, config: own, cluster: cluster))
        unsafe host.pointee.boardPlace = place
        unsafe host.pointee.isUsed = true
        unsafe cluster.pointee.liveHosts &+= 1
        unsafe cluster.pointee.originals?.insert(host)
        if unsafe cluster.pointee.sweepMs == 0 {
            unsafe cluster.pointee.sweepMs = unsafe nowMs &+ config.pointee.cleanupMs
            unsafe timers.armNoLater(hostTimer, than: cluster.pointee.sweepMs)
        }
        return unsafe host
    }

    /// Hosts that nobody has asked for since the last look go, once they have no connection left, idle ones included.
    func sweepOriginalHosts() {
        for slot in unsafe 0..<clusters.count {
            guard let cluster = unsafe clusters[slot], let config = unsafe cluster.pointee.config.pointee.originalDst,
                unsafe cluster.pointee.sweepMs != 0
            else { continue }
            if unsafe cluster.pointee.sweepMs <= nowMs {
                unsafe removeOriginalHosts(cluster) { host in
                    defer { unsafe host.pointee.isUsed = false }
                    return unsafe !host.pointee.isUsed && host.pointee.connectionCount == 0 && host.pointee.activeRequests == 0
                        && host.pointee.pendingCount == 0
                }
                let isEmpty = unsafe (cluster.pointee.originals?.count ?? 0) == 0
                unsafe cluster.pointee.sweepMs = unsafe isEmpty ? 0 : nowMs &+ config.pointee.cleanupMs
            }
            if unsafe cluster.pointee.sweepMs != 0 { unsafe timers.armNoLater(hostTimer, than: cluster.pointee.sweepMs) }
        }
    }

    func removeOriginalHosts(_ cluster: UnsafeMutablePointer<Cluster>, where leaves: (UnsafeMutablePointer<Host>) -> Bool) {
        guard var originals = unsafe cluster.pointee.originals else { return }
        var gone = PlainArray<UInt64>(capacity: 8)
        let board = unsafe cluster.pointee.config.pointee.originalDst?.pointee.board
        unsafe originals.remove(hosts, where: leaves) { gone.append($0.raw) }
        for i in 0..<gone.count {
            guard let host = unsafe hosts[Handle(raw: gone[i])], unsafe host.pointee.boardPlace >= 0 else { continue }
            unsafe board?.hide(worker: index, place: host.pointee.boardPlace)
            unsafe originals.givePlace(host.pointee.boardPlace)
            unsafe host.pointee.boardPlace = -1
        }
        unsafe cluster.pointee.originals = originals
        for i in 0..<gone.count {
            guard let host = unsafe hosts[Handle(raw: gone[i])] else { continue }
            unsafe host.pointee.isRemoved = true
            hostRemoved(Handle(raw: gone[i]))
        }
        gone.destroy()
    }
}
