// `key_log`: the secrets of handshakes as lines of NSS's key log format, for those who look at captured packets.
//
// OpenSSL hands lines out in the middle of a handshake; they wait with the connection until the step is done, then go the way
// of access log lines.

import COpenSSL
import Glibc
import Primitives
import Transport

@safe
package struct TLSKeyLog: BitwiseCopyable {
    let queue: LogQueue
    /// Empty: all.
    let locals: FrozenArray<AddressRange>
    let remotes: FrozenArray<AddressRange>

    package init(queue: LogQueue, locals: FrozenArray<AddressRange>, remotes: FrozenArray<AddressRange>) {
        self.queue = queue
        self.locals = locals
        self.remotes = remotes
    }

    package static let callback: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?) -> Void = { ssl, line in
        guard let ssl = unsafe ssl, let line = unsafe line, let raw = unsafe SSL_get_ex_data(ssl, 0) else { return }
        let tls = unsafe raw.assumingMemoryBound(to: TLSConnection.self)
        unsafe tls.keep(keyLine: Bytes(UnsafeRawPointer(line), strlen(line)))
    }

    fileprivate func takes(_ local: SocketAddress, _ remote: SocketAddress) -> Bool {
        TLSKeyLog.holds(locals, local) && TLSKeyLog.holds(remotes, remote)
    }

    private static func holds(_ ranges: FrozenArray<AddressRange>, _ address: SocketAddress) -> Bool {
        if ranges.isEmpty { return true }
        for i in 0..<ranges.count where ranges[i].contains(address) { return true }
        return false
    }
}

extension Worker {
    /// Behind a step of a handshake.
    func writeKeyLines(_ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>) {
        guard let log = unsafe tls.pointee.config.pointee.keyLog?.assumingMemoryBound(to: TLSKeyLog.self) else { return }
        unsafe learnAddresses(connection)
        if unsafe log.pointee.takes(connection.pointee.local, connection.pointee.remote) {
            formats.text.reset()
            unsafe tls.pointee.keyLines.forEach { formats.text.put($0) }
            unsafe log.pointee.queue.put(formats.text.bytes, writer: index)
        }
        unsafe tls.pointee.keyLines.removeAll(memory)
    }
}
