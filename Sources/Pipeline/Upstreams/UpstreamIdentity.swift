// Whose an upstream connection is. Most are anybody's; those that begin with a PROXY header are one client's, and those with
// a server name of the request's own are for requests with that name. Requests share connections with the same key only.

import Primitives
import Stats
import Transport
import Upstream
import Wire

@safe
struct UpstreamIdentity {
    /// The connection that a PROXY header speaks of; none: one of our own.
    var client = Handle.none
    /// What is asked for in the handshake instead of what configuration says; empty: nothing. Good for one call.
    var serverName = Bytes.empty
    /// The name that the peer's certificate must be for; empty: as configuration says.
    var checkedName = Bytes.empty
}

extension Worker {
    /// Idle connections that are looked through for one with the right key (`docs/limits.md`).
    static let keyedSearchMax = 128

    // HOT: per message.
    /// 0: anybody's.
    @inline(__always)
    func poolKey(_ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>, _ host: UnsafeMutablePointer<Host>) -> UInt64 {
        guard unsafe cluster.pointee.config.pointee.hasKeyedConnections else { return 0 }
        let transport = unsafe cluster.pointee.config.pointee.transport(of: host.pointee.config)
        return unsafe key(of: identity(stream, cluster.pointee.config, transport), transport)
    }

    func identity(
        _ stream: StreamPointer, _ config: UnsafePointer<ClusterConfig>, _ transport: ClusterTransport
    ) -> UpstreamIdentity {
        var identity = UpstreamIdentity()
        if unsafe transport.proxyHeader != nil, let client = unsafe connections.slab[stream.pointee.downstream] {
            let isNamed = unsafe inspections[client.pointee.inspection].map { unsafe $0.pointee.proxy.config != nil } ?? false
            if unsafe isNamed || stream.pointee.http.pointee.addsProxyState { identity.client = unsafe stream.pointee.downstream }
        }
        if unsafe config.pointee.setsServerName || config.pointee.checksServerName {
            let name = unsafe serverName(stream, config)
            // As in Envoy an address is no server name, but is what the certificate has to be for.
            if unsafe config.pointee.setsServerName, SocketAddress(numeric: name) == nil { identity.serverName = name }
            if unsafe config.pointee.checksServerName { identity.checkedName = name }
        }
        return identity
    }

    /// The host that the request goes to, or what `override_auto_sni_header` says.
    private func serverName(_ stream: StreamPointer, _ config: UnsafePointer<ClusterConfig>) -> Bytes {
        var text = unsafe stream.pointee.request.text(stream.pointee.request.authority)
        let header = unsafe config.pointee.serverNameHeader
        if !header.isEmpty, let value = unsafe stream.pointee.request.value(named: header), !value.isEmpty { text = value }
        let name = HostPort(text)?.address ?? .empty
        return name.count <= 255 ? name : .empty
    }

    private func key(of identity: UpstreamIdentity, _ transport: ClusterTransport) -> UInt64 {
        formats.text.reset()
        if let client = unsafe connections.slab[identity.client] {
            unsafe learnAddresses(client)
            unsafe formats.text.put(client.pointee.remote)
            formats.text.put(UInt8(ascii: " "))
            unsafe formats.text.put(client.pointee.local)
            if let proxy = unsafe transport.proxyHeader, unsafe proxy.pointee.keyHasTLVs {
                unsafe eachPassedTLV(client, proxy) { formats.text.put($0) }
            }
        }
        formats.text.put(0)
        formats.text.put(identity.serverName)
        formats.text.put(0)
        formats.text.put(identity.checkedName)
        return formats.text.bytes.count == 2 ? 0 : XXHash64.hash(formats.text.bytes) | 1
    }

    private func eachPassedTLV(
        _ client: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<UpstreamProxyConfig>, _ body: (Bytes) -> Void
    ) {
        guard let inspection = unsafe inspections[client.pointee.inspection], let own = unsafe inspection.pointee.proxy.config
        else { return }
        var list = unsafe ProxyTLVs(inspection.pointee.proxy.tlvs)
        while let entry = list.next() {
            if unsafe own.pointee.passedOn.contains(entry.type) && config.pointee.passes(entry.type) { body(entry.whole) }
        }
    }

    // MARK: The PROXY header

    /// Queued ahead of all else; it leaves when the connection is there. False: no memory.
    func queueProxyHeader(
        _ connection: UnsafeMutablePointer<Connection>, _ client: Handle, _ config: UnsafePointer<UpstreamProxyConfig>
    ) -> Bool {
        guard let client = unsafe connections.slab[client] else { return true }
        unsafe learnAddresses(client)
        return unsafe queueHeader(connection, from: client.pointee.remote, to: client.pointee.local, client: client, config)
    }

    /// The connection is there: its header goes out, in the clear, before TLS and before anything of its machine.
    func sendProxyHeader(_ connection: UnsafeMutablePointer<Connection>) {
        guard let host = unsafe hosts[connection.pointee.host], let cluster = unsafe cluster(of: host),
            let config = unsafe cluster.pointee.config.pointee.transport(of: host.pointee.config).proxyHeader
        else { return }
        if unsafe connection.pointee.aheadBytes == 0 {
            // One of our own: a mirrored request, a filter's call.
            let ends = unsafe (SocketAddress(localOf: connection.pointee.descriptor), connection.pointee.remote)
            let isQueued = unsafe queueHeader(connection, from: ends.0, to: ends.1, client: nil, config)
            guard isQueued else { return }
        }
        unsafe connections.sendAhead(connection)
    }

    private func queueHeader(
        _ connection: UnsafeMutablePointer<Connection>, from source: SocketAddress, to destination: SocketAddress,
        client: UnsafeMutablePointer<Connection>?, _ config: UnsafePointer<UpstreamProxyConfig>
    ) -> Bool {
        var tlvs = unsafe client == nil ? 0 : config.pointee.added.count
        if let client = unsafe client { unsafe eachPassedTLV(client, config) { tlvs &+= $0.count } }
        if unsafe config.pointee.isVersion2, tlvs > 65_535 - 36 {
            unsafe cells.increment(config.pointee.stats &+ UpstreamProxyStat.version2TLVsExceedMaxLength.rawValue)
            tlvs = 0
        }
        let before = unsafe connection.pointee.out.count
        guard let room = unsafe connection.pointee.out.contiguousRoom(memory, bytes: ProxyHeaderWriter.bound(tlvs: 0)) else { return false }
        let out = unsafe room.start.assumingMemoryBound(to: UInt8.self)
        var isWhole = true
        if unsafe !config.pointee.isVersion2 {
            unsafe connection.pointee.out.wrote(ProxyHeaderWriter.version1(from: source, to: destination, into: out))
        } else if unsafe client == nil {
            unsafe connection.pointee.out.wrote(ProxyHeaderWriter.version2Local(into: out))
        } else {
            let isIP = source.family != .unix && source.family == destination.family
            if unsafe !isIP && !config.pointee.allowsUnspecified {
                unsafe connection.pointee.out.wrote(ProxyHeaderWriter.version2Local(into: out))
            } else {
                let head = unsafe isIP
                    ? ProxyHeaderWriter.version2(from: source, to: destination, tlvs: tlvs, into: out)
                    : ProxyHeaderWriter.version2Unspecified(tlvs: tlvs, into: out)
                unsafe connection.pointee.out.wrote(head ?? ProxyHeaderWriter.version2Local(into: out))
                if head != nil, tlvs > 0, let client = unsafe client {
                    isWhole = unsafe connection.pointee.out.append(copying: config.pointee.added, memory)
                    unsafe eachPassedTLV(client, config) { isWhole = unsafe connection.pointee.out.append(copying: $0, memory) && isWhole }
                }
            }
        }
        unsafe connection.pointee.aheadBytes = unsafe UInt32(truncatingIfNeeded: connection.pointee.out.count &- before)
        return isWhole
    }
}
