// The PROXY header of a connection to an upstream (`upstream_proxy_protocol`). Put together when the connection is begun,
// while the client that it speaks of is there; what only the connection itself can tell (formats of TLVs) is put in when it
// is made. Behind the addresses: the host's own TLVs, those that the cluster adds, those of the client that are passed on.
// Of one type the first of these that has it goes before the others, as in Envoy.

import Primitives
import Stats
import Transport
import Upstream
import Wire

/// How a TLV's value is written.
@safe
package struct ProxyTLVFormat: BitwiseCopyable {
    package var body: AccessLogConfig.Body
    package var missing: MissingValue
    package init(_ body: AccessLogConfig.Body, missing: MissingValue) {
        self.body = body
        self.missing = missing
    }
}

extension Worker {
    /// The longest list of TLVs behind two IPv6 addresses.
    static let proxyTLVsMax = 65_535 - 36

    /// The client's TLVs that this cluster passes on.
    func eachPassedTLV(
        _ client: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<UpstreamProxyConfig>, _ hostTLVs: Bytes,
        _ body: (Bytes) -> Void
    ) {
        guard let inspection = unsafe inspections[client.pointee.inspection] else { return }
        let made = unsafe inspection.pointee.proxy.made
        let own = unsafe inspection.pointee.proxy.config
        guard unsafe made != nil || own != nil else { return }
        var list = unsafe ProxyTLVs(made ?? inspection.pointee.proxy.tlvs)
        while let entry = list.next() {
            guard unsafe made != nil || own?.pointee.passedOn.contains(entry.type) == true else { continue }
            if unsafe config.pointee.passes(entry.type), ProxyTLVs.find(entry.type, in: hostTLVs, last: false) == nil { body(entry.whole) }
        }
    }

    /// The cluster's own that always read the same.
    private func eachAddedTLV(_ config: UnsafePointer<UpstreamProxyConfig>, _ hostTLVs: Bytes, _ body: (Bytes) -> Void) {
        if hostTLVs.isEmpty {
            if unsafe !config.pointee.added.isEmpty { unsafe body(config.pointee.added) }
            return
        }
        body(hostTLVs)
        var list = unsafe ProxyTLVs(config.pointee.added)
        while let entry = list.next() {
            if ProxyTLVs.find(entry.type, in: hostTLVs, last: false) == nil { body(entry.whole) }
        }
    }

    /// Queued ahead of all else; it leaves when the connection is there. False: no memory.
    func queueProxyHeader(
        _ connection: UnsafeMutablePointer<Connection>, _ client: Handle, _ host: UnsafeMutablePointer<Host>,
        _ config: UnsafePointer<UpstreamProxyConfig>
    ) -> Bool {
        guard let client = unsafe connections.slab[client] else { return true }
        unsafe learnAddresses(client)
        return unsafe queueHeader(
            connection, from: client.pointee.remote, to: client.pointee.local, client: client, host.pointee.config.proxyTLVs, config)
    }

    /// The connection is there: its header goes out, in the clear, before TLS and before anything of its machine.
    func sendProxyHeader(_ connection: UnsafeMutablePointer<Connection>) {
        guard let host = unsafe hosts[connection.pointee.host], let cluster = unsafe cluster(of: host),
            let config = unsafe cluster.pointee.config.pointee.transport(of: host.pointee.config).proxyHeader
        else { return }
        if unsafe connection.pointee.aheadBytes == 0 {
            // One of our own: a mirrored request, a filter's call.
            let ends = unsafe (SocketAddress(localOf: connection.pointee.descriptor), connection.pointee.remote)
            let isQueued = unsafe queueHeader(connection, from: ends.0, to: ends.1, client: nil, .empty, config)
            guard isQueued else { return }
        } else if unsafe !config.pointee.formatted.isEmpty && config.pointee.isVersion2 {
            unsafe insertFormattedTLVs(connection, host, config)
        }
        unsafe connections.sendAhead(connection)
    }

    private func queueHeader(
        _ connection: UnsafeMutablePointer<Connection>, from source: SocketAddress, to destination: SocketAddress,
        client: UnsafeMutablePointer<Connection>?, _ hostTLVs: Bytes, _ config: UnsafePointer<UpstreamProxyConfig>
    ) -> Bool {
        var tlvs = 0
        if let client = unsafe client {
            unsafe eachAddedTLV(config, hostTLVs) { tlvs &+= $0.count }
            unsafe eachPassedTLV(client, config, hostTLVs) { tlvs &+= $0.count }
        }
        if unsafe config.pointee.isVersion2, tlvs > Worker.proxyTLVsMax {
            unsafe countTLVsTooLong(config)
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
                    unsafe eachAddedTLV(config, hostTLVs) { isWhole = unsafe connection.pointee.out.append(copying: $0, memory) && isWhole }
                    unsafe eachPassedTLV(client, config, hostTLVs) { isWhole = unsafe connection.pointee.out.append(copying: $0, memory) && isWhole }
                }
            }
        }
        unsafe connection.pointee.aheadBytes = unsafe UInt32(truncatingIfNeeded: connection.pointee.out.count &- before)
        return isWhole
    }

    private func countTLVsTooLong(_ config: UnsafePointer<UpstreamProxyConfig>) {
        unsafe cells.increment(config.pointee.stats &+ UpstreamProxyStat.version2TLVsExceedMaxLength.rawValue)
    }

    // MARK: Formats

    /// Behind what the cluster always adds. They are about the connection to the upstream: its ends are what
    /// `%DOWNSTREAM_…%` say, as in Envoy. A header without addresses to speak of (`LOCAL`) gets none.
    private func insertFormattedTLVs(
        _ connection: UnsafeMutablePointer<Connection>, _ host: UnsafeMutablePointer<Host>, _ config: UnsafePointer<UpstreamProxyConfig>
    ) {
        let ahead = unsafe Int(connection.pointee.aheadBytes)
        let head = unsafe connection.pointee.out.run(from: 0)
        // The first sixteen bytes were written in one piece.
        guard head.count >= 16, head[12] == 0x21 else { return }
        let length = Int(head[14]) &<< 8 | Int(head[15])
        let addresses = head[13] == 0x11 ? 12 : head[13] == 0x21 ? 36 : 0
        var place = 16 &+ addresses
        let hostTLVs = unsafe host.pointee.config.proxyTLVs
        if length > addresses { unsafe eachAddedTLV(config, hostTLVs) { place &+= $0.count } }
        guard place <= ahead else { return }
        var rest = unsafe connection.pointee.out
        var out = ByteQueue()
        var isWhole = out.append(moving: place, of: &rest, memory)
        var added = 0
        var info = TCPLogInfo()
        info.startNs = unsafe connection.pointee.openedNs
        info.startWallNs = wallNs
        info.endNs = nowNs
        info.connectionID = unsafe connection.pointee.id
        info.remoteAddress = unsafe connection.pointee.remote
        info.localAddress = unsafe SocketAddress(localOf: connection.pointee.descriptor)
        unsafe withUnsafePointer(to: info) { info in
            var source = unsafe FormatSource(tcp: info, nowNs: nowNs)
            unsafe source.host = unsafe UnsafePointer(host.hostConfig)
            for i in unsafe 0..<config.pointee.formatted.count {
                let entry = unsafe config.pointee.formatted[i]
                guard ProxyTLVs.find(entry.type, in: hostTLVs, last: false) == nil else { continue }
                let value = write(entry, source)
                guard length &+ added &+ 3 &+ value.count <= 65_535 else {
                    unsafe countTLVsTooLong(config)
                    continue
                }
                isWhole = appendTLV(entry.type, value, &out) && isWhole
                added &+= 3 &+ value.count
            }
        }
        // Copied, so that the header leaves in one piece.
        while let run = rest.first, !run.isEmpty {
            isWhole = out.append(copying: run, memory) && isWhole
            rest.consume(run.count, memory)
        }
        unsafe connection.pointee.out = out
        // Too little memory: the header is not what its length says, and the peer will refuse it.
        guard isWhole else { return unsafe connection.pointee.aheadBytes = UInt32(truncatingIfNeeded: connection.pointee.out.count) }
        let total = length &+ added
        let start = unsafe UnsafeMutableRawPointer(mutating: connection.pointee.out.run(from: 0).base)
        unsafe start.storeBytes(of: UInt8(truncatingIfNeeded: total &>> 8), toByteOffset: 14, as: UInt8.self)
        unsafe start.storeBytes(of: UInt8(truncatingIfNeeded: total), toByteOffset: 15, as: UInt8.self)
        unsafe connection.pointee.aheadBytes = UInt32(truncatingIfNeeded: ahead &+ added)
    }

    /// A TLV's value over `source`; good until the next format is written.
    func write(_ entry: FormattedTLV, _ source: FormatSource) -> Bytes {
        let format = unsafe entry.format.assumingMemoryBound(to: ProxyTLVFormat.self)
        switch unsafe format.pointee.body {
        case .text(let text): return unsafe formats.write(text, source, missing: format.pointee.missing)
        case .json(let json): return formats.write(json, source)
        }
    }

    /// False: no memory.
    func appendTLV(_ type: UInt8, _ value: Bytes, _ out: inout ByteQueue) -> Bool {
        var head = (type, UInt8(truncatingIfNeeded: value.count &>> 8), UInt8(truncatingIfNeeded: value.count))
        let isThere = unsafe withUnsafeBytes(of: &head) { raw in
            guard let base = raw.baseAddress else { return false }
            return unsafe out.append(copying: Bytes(base, 3), memory)
        }
        return isThere && out.append(copying: value, memory)
    }
}
