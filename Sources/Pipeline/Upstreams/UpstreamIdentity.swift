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
        if let session = unsafe tcpSessions[stream.pointee.tcp] {
            // As in Envoy a server name of its own is a request's of a connection manager.
            if unsafe transport.proxyHeader != nil { identity.client = unsafe session.pointee.downstream }
            return identity
        }
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
        return name.count <= 255 ? lowercased(name) : .empty
    }

    /// As in Envoy: names that differ in their case are one, and share connections (RFC 6066 §3, RFC 4343 §3).
    private func lowercased(_ name: Bytes) -> Bytes {
        var place = 0
        while place < name.count, unsafe Bytes.lower(name.base[place]) == name.base[place] { place &+= 1 }
        if place == name.count { return name }
        formats.value.reset()
        for i in 0..<name.count { formats.value.put(Bytes.lower(unsafe name.base[i])) }
        return formats.value.bytes
    }

    private func key(of identity: UpstreamIdentity, _ transport: ClusterTransport) -> UInt64 {
        formats.text.reset()
        if let client = unsafe connections.slab[identity.client] {
            unsafe learnAddresses(client)
            unsafe formats.text.put(client.pointee.remote)
            formats.text.put(UInt8(ascii: " "))
            unsafe formats.text.put(client.pointee.local)
            if let proxy = unsafe transport.proxyHeader, unsafe proxy.pointee.keyHasTLVs {
                unsafe eachPassedTLV(client, proxy, .empty) { formats.text.put($0) }
            }
        }
        formats.text.put(0)
        formats.text.put(identity.serverName)
        formats.text.put(0)
        formats.text.put(identity.checkedName)
        return formats.text.bytes.count == 2 ? 0 : XXHash64.hash(formats.text.bytes) | 1
    }
}
