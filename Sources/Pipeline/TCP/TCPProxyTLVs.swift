// `proxy_protocol_tlvs` of `tcp_proxy`: TLVs that the connection's PROXY header is to have had, for the header that an upstream
// gets. They count as the client's own there, so the cluster's `pass_through_tlvs` decides which of them go on.

import Primitives
import Transport
import Upstream
import Wire

extension Worker {
    /// Before the first attempt: by then the cluster is known, which formats may tell.
    func addProxyTLVs(_ session: TCPSessionPointer) {
        let config = unsafe session.pointee.config
        guard let client = unsafe connections.slab[session.pointee.downstream], let inspection = unsafe inspectionToFill(client)
        else { return }
        let own = unsafe inspection.pointee.proxy.config
        // As in Envoy a header that the client sent stands, with or without TLVs.
        if unsafe own != nil && config.pointee.tlvMerge == .addIfAbsent { return }
        var queue = ByteQueue()
        var isWhole = true
        let passed = unsafe inspection.pointee.proxy.tlvs
        func appendClients(except types: ProxyTLVSet) {
            var list = ProxyTLVs(passed)
            while let entry = list.next() {
                guard unsafe own?.pointee.passedOn.contains(entry.type) == true, !types.contains(entry.type) else { continue }
                isWhole = queue.append(copying: entry.whole, memory) && isWhole
            }
        }
        if unsafe config.pointee.tlvMerge == .append { appendClients(except: ProxyTLVSet()) }
        if unsafe !config.pointee.proxyTLVs.isEmpty { isWhole = unsafe queue.append(copying: config.pointee.proxyTLVs, memory) && isWhole }
        unsafe appendFormatted(session, client, &queue, &isWhole)
        if unsafe config.pointee.tlvMerge == .overwrite { appendClients(except: unsafe config.pointee.tlvTypes) }
        defer { queue.removeAll(memory) }
        guard isWhole, !queue.isEmpty, let block = memory.blocks.allocate(queue.count) else { return }
        unsafe queue.copy(from: 0, count: queue.count, into: UnsafeMutableRawPointer(block.base))
        if let old = unsafe inspection.pointee.proxy.madeBlock { memory.blocks.free(old) }
        unsafe inspection.pointee.proxy.madeBlock = block
        unsafe inspection.pointee.proxy.madeCount = queue.count
    }

    /// A connection that no listener filter has looked at has no place for what is found out.
    private func inspectionToFill(_ client: UnsafeMutablePointer<Connection>) -> UnsafeMutablePointer<Inspection>? {
        if let inspection = unsafe inspections[client.pointee.inspection] { return unsafe inspection }
        guard let (handle, inspection) = unsafe inspections.allocate() else { return nil }
        unsafe inspection.initialize(to: Inspection())
        unsafe client.pointee.inspection = handle
        return unsafe inspection
    }

    private func appendFormatted(
        _ session: TCPSessionPointer, _ client: UnsafeMutablePointer<Connection>, _ queue: inout ByteQueue, _ isWhole: inout Bool
    ) {
        let formatted = unsafe session.pointee.config.pointee.formattedTLVs
        guard !formatted.isEmpty else { return }
        unsafe learnAddresses(client)
        var info = TCPLogInfo()
        info.startNs = unsafe session.pointee.startNs
        info.startWallNs = unsafe wallNs &- (nowNs &- session.pointee.startNs)
        info.endNs = nowNs
        info.connectionID = unsafe client.pointee.id
        info.remoteAddress = unsafe client.pointee.remote
        info.directRemoteAddress = unsafe directRemote(client)
        info.localAddress = unsafe client.pointee.local
        info.downstreamTLS = unsafe connections.description(of: client)
        unsafe withUnsafePointer(to: info) { info in
            var source = unsafe formatSource(info, host: .none, cluster: session.pointee.clusterSlot)
            unsafe source.inspection = unsafe inspection(of: client.pointee.handle)
            for i in 0..<formatted.count {
                let value = write(formatted[i], source)
                guard queue.count &+ 3 &+ value.count <= Worker.proxyTLVsMax else { continue }
                isWhole = appendTLV(formatted[i].type, value, &queue) && isWhole
            }
        }
    }
}
