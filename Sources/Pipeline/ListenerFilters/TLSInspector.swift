// `tls_inspector`: the server's name and the protocols that a client asks for, out of its first message.

import Primitives
import Stats
import Transport
import Wire

extension Worker {
    func inspectTLS(
        _ connection: UnsafeMutablePointer<Connection>, _ inspection: UnsafeMutablePointer<Inspection>,
        _ inspector: TLSInspectorConfig
    ) -> InspectionStep {
        let bytes = unsafe pendingBytes(inspection, Worker.helloRoom)
        let message = unsafe (inspectionScratch() + Worker.inspectionRoom).assumingMemoryBound(to: UInt8.self)
        var read = 0
        switch unsafe ClientHello.read(bytes, max: inspector.helloMax, scratch: message, read: &read) {
        case .needMore: return .needMore(bytes.count &+ 1)
        case .notTLS:
            note(inspector, .tlsNotFound, read)
            if inspector.closesOnError { return unsafe leave(connection) }
        case .tooLarge:
            note(inspector, .clientHelloTooLarge, read)
            return unsafe leave(connection)
        case .found(let name, let protocols):
            note(inspector, .tlsFound, read)
            count(inspector, name.isEmpty ? .sniNotFound : .sniFound)
            count(inspector, protocols.isEmpty ? .alpnNotFound : .alpnFound)
            unsafe keepName(inspection, name)
            unsafe inspection.pointee.facts.transportProtocol = Bytes("tls" as StaticString)
            unsafe inspection.pointee.facts.protocols = protocols
            if inspector.makesJA3 || inspector.makesJA4 { unsafe fingerprint(inspection, inspector, message) }
        }
        return .next
    }

    /// There is an answer, after `read` bytes.
    private func note(_ inspector: TLSInspectorConfig, _ leaf: TLSInspectorStat, _ read: Int) {
        count(inspector, leaf)
        cells.record(inspector.stats &+ TLSInspectorStat.bytesProcessed.rawValue, UInt64(truncatingIfNeeded: read))
    }

    /// As in Envoy a connection that is closed for its hello is no `downstream_listener_filter_error`.
    private func leave(_ connection: UnsafeMutablePointer<Connection>) -> InspectionStep {
        unsafe closeInspected(connection)
        return .closed
    }

    private func count(_ inspector: TLSInspectorConfig, _ leaf: TLSInspectorStat) {
        cells.increment(inspector.stats &+ leaf.rawValue)
    }

    private func keepName(_ inspection: UnsafeMutablePointer<Inspection>, _ name: Bytes) {
        guard !name.isEmpty, let block = memory.blocks.allocate(name.count) else { return }
        for i in 0..<name.count {
            let byte = name[i]
            unsafe block.base.storeBytes(of: byte &- 65 < 26 ? byte | 32 : byte, toByteOffset: i, as: UInt8.self)
        }
        if let old = unsafe inspection.pointee.name { memory.blocks.free(old) }
        unsafe inspection.pointee.name = block
        unsafe inspection.pointee.nameCount = name.count
        unsafe inspection.pointee.facts.serverName = unsafe inspection.pointee.serverName
    }
}
