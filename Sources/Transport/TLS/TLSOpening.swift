// The receiving half: a handshake that advances with each piece of ciphertext, and plaintext out of records.

import COpenSSL
import Primitives
import Ring

package enum TLSProgress {
    /// Everything was taken; more has to come.
    case more
    /// The handshake is complete. `failed`: see `TLSConnection.failure`. `ended`: the peer said `close_notify`.
    case established, failed, ended
    /// Plaintext.
    case data(Int)
}

extension Connections {
    /// Puts TLS over a connection that has sent and received nothing yet; nil: no memory.
    package mutating func openTLS(
        _ connection: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<TLSContextConfig>, thread: Int
    ) -> UnsafeMutablePointer<TLSConnection>? {
        guard let context = unsafe config.pointee.context(thread: thread), let (handle, tls) = unsafe tlsSlab.allocate()
        else { return nil }
        unsafe tls.initialize(
            to: TLSConnection(
                handle: handle, connection: connection.pointee.handle, config: config, memory: sharedMemory,
                text: sharedText))
        unsafe tls.pointee.io.context = UnsafeMutableRawPointer(tls)
        unsafe tls.pointee.io.write = { context, bytes, count in
            guard let context = unsafe context else { return 0 }
            let tls = unsafe context.assumingMemoryBound(to: TLSConnection.self)
            let memory = unsafe tls.pointee.memory.pointee
            return unsafe tls.pointee.cipher.append(copying: Bytes(bytes, count), memory) ? 1 : 0
        }
        guard let ssl = unsafe martlet_tls_new(context, tls.ioPointer, config.pointee.isServer ? 1 : 0) else {
            tlsSlab.free(handle)
            return nil
        }
        unsafe tls.pointee.ssl = unsafe ssl
        unsafe SSL_set_ex_data(ssl, 0, UnsafeMutableRawPointer(tls))
        unsafe connection.pointee.tls = unsafe tls
        return unsafe tls
    }

    /// Before `begin`: the peer's certificate must be for this name. False: no memory.
    package func check(_ tls: UnsafeMutablePointer<TLSConnection>, name: Bytes) -> Bool {
        guard let block = memory.blocks.allocate(name.count) else { return false }
        unsafe block.base.copyMemory(from: name.base, byteCount: name.count)
        unsafe tls.pointee.checked = block
        unsafe tls.pointee.checkedCount = name.count
        return true
    }

    /// Before the handshake of a client: what it asks for, and the session that it would go on with.
    package func begin(_ tls: UnsafeMutablePointer<TLSConnection>, serverName: Bytes, protocols: Bytes) {
        guard let ssl = unsafe tls.pointee.ssl else { return }
        if !serverName.isEmpty { _ = unsafe martlet_ask_for(ssl, serverName.base, serverName.count) }
        if unsafe !tls.pointee.config.pointee.hasProtocols, !protocols.isEmpty {
            unsafe SSL_set_alpn_protos(ssl, protocols.base, UInt32(truncatingIfNeeded: protocols.count))
        }
        // A session that is resumed shows no certificate, and may have been made under another name.
        if unsafe tls.pointee.checkedName.isEmpty { unsafe martlet_resume(ssl, tls.pointee.config.pointee.checksServerName ? 1 : 0) }
    }

    /// Ciphertext that `handshake` and `open` read next. It stays the caller's and must stay as it is until they say `more`.
    @inline(__always)
    package func feed(_ tls: UnsafeMutablePointer<TLSConnection>, _ bytes: Bytes) {
        unsafe tls.pointee.io.in = unsafe bytes.base
        unsafe tls.pointee.io.in_count = bytes.count
    }

    /// One step. What it wants to send is queued.
    package mutating func handshake(
        _ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>
    ) -> TLSProgress {
        guard let ssl = unsafe tls.pointee.ssl else { return .failed }
        martlet_err_clear()
        unsafe sharedText.pointee.clear()
        if unsafe tls.pointee.first.isAwaited, let refused = unsafe lookAtFirst(connection, tls, ssl) { return refused }
        let result = unsafe SSL_do_handshake(ssl)
        if result == 1 {
            unsafe tls.pointee.isHandshaking = false
            if unsafe sendsTicketsLater(connection, tls) {
                unsafe tls.pointee.ticketBytes = unsafe tls.pointee.cipher.count
            } else {
                unsafe markDirty(connection)
            }
            return .established
        }
        if unsafe tls.pointee.staple == .failed { unsafe sayHandshakeFailure(tls) }
        if unsafe !tls.pointee.cipher.isEmpty { unsafe markDirty(connection) }
        let progress = unsafe progress(connection, tls, SSL_get_error(ssl, result))
        if case .failed = progress, unsafe tls.pointee.failure.isNoTLS { unsafe sayProtocolVersion(tls) }
        return progress
    }

    /// How it ends by what was fed; nil: it goes on.
    private mutating func lookAtFirst(
        _ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>, _ ssl: OpaquePointer
    ) -> TLSProgress? {
        guard let base = unsafe tls.pointee.io.in else { return nil }
        let bytes = unsafe Bytes(base, tls.pointee.io.in_count)
        let asks = unsafe SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER != 0
        let sizeMax = asks ? FirstMessage.sizeMaxWithCertificate : FirstMessage.sizeMax
        guard let fault = unsafe tls.pointee.first.received(bytes, sizeMax: sizeMax) else { return nil }
        switch fault {
        case .closed:
            unsafe connection.pointee.sawEnd = true
            return .ended
        case .alert(let description): unsafe fail(tls, SSL_AD_REASON_OFFSET + Int32(description), alert: nil)
        case .tooLarge: unsafe fail(tls, SSL_R_EXCESSIVE_MESSAGE_SIZE, alert: "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{2f}")
        case .foreignRecord: unsafe fail(tls, SSL_R_UNEXPECTED_RECORD, alert: "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{a}")
        case .malformedAlert: unsafe fail(tls, SSL_R_INVALID_ALERT, alert: "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{32}")
        case .unknownAlertLevel: unsafe fail(tls, SSL_R_UNKNOWN_ALERT_TYPE, alert: "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{2f}")
        }
        unsafe markDirty(connection)
        return .failed
    }

    /// Before OpenSSL has seen anything. `alert`: what the peer is told, a record.
    private func fail(_ tls: UnsafeMutablePointer<TLSConnection>, _ reason: Int32, alert: StaticString?) {
        unsafe tls.pointee.hasFailed = true
        unsafe tls.pointee.failure = TLSFailure(reason: reason)
        unsafe sharedText.pointee.write(tls.pointee.failure)
        if let alert { _ = unsafe tls.pointee.cipher.append(copying: Bytes(alert), memory) }
    }

    /// RFC 8446 §6: who speaks SSH or cleartext HTTP/2 to a TLS server is told so, as by Envoy; OpenSSL goes without a word.
    private func sayProtocolVersion(_ tls: UnsafeMutablePointer<TLSConnection>) {
        guard unsafe tls.pointee.config.pointee.isServer, unsafe tls.pointee.cipher.isEmpty else { return }
        _ = unsafe tls.pointee.cipher.append(copying: Bytes("\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{46}" as StaticString), memory)
    }

    /// Without the staple that it asked for the client gets `handshake_failure`, as from Envoy: OpenSSL has queued
    /// `internal_error`, in a record that is not encrypted yet (RFC 8446 §5.1, §6).
    private func sayHandshakeFailure(_ tls: UnsafeMutablePointer<TLSConnection>) {
        let count = 7
        guard unsafe tls.pointee.cipher.count == count else { return }
        unsafe withUnsafeTemporaryAllocation(byteCount: count, alignment: 1) { record in
            guard let base = record.baseAddress else { return }
            unsafe tls.pointee.cipher.copy(from: 0, count: count, into: base)
            guard unsafe base.load(as: UInt8.self) == UInt8(SSL3_RT_ALERT) else { return }
            unsafe base.storeBytes(of: UInt8(SSL_AD_HANDSHAKE_FAILURE), toByteOffset: count &- 1, as: UInt8.self)
            unsafe tls.pointee.cipher.removeAll(memory)
            _ = unsafe tls.pointee.cipher.append(copying: Bytes(UnsafeRawPointer(base), count), memory)
        }
    }

    /// What a server of TLS 1.3 has to send behind the handshake is tickets alone. They go with its first answer, as Envoy's
    /// do: a segment and a send less, and nothing is written to a client that does not read.
    private func sendsTicketsLater(
        _ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>
    ) -> Bool {
        guard let ssl = unsafe tls.pointee.ssl, unsafe tls.pointee.config.pointee.isServer, unsafe SSL_version(ssl) >= TLS1_3_VERSION
        else { return false }
        return unsafe !connection.pointee.isDirty && connection.pointee.out.isEmpty && !connection.pointee.isEnding
            && !connection.pointee.closesWhenSent
    }

    // HOT: per record.
    /// Plaintext of what was fed.
    package mutating func open(
        _ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>,
        into plain: UnsafeMutableRawPointer, capacity: Int
    ) -> TLSProgress {
        guard let ssl = unsafe tls.pointee.ssl else { return .failed }
        var count = 0
        let waiting = unsafe tls.pointee.cipher.count
        martlet_err_clear()
        let result = unsafe SSL_read_ex(ssl, plain, capacity, &count)
        // Reading may have to write: key updates, alerts.
        if unsafe tls.pointee.cipher.count != tls.pointee.ticketBytes { unsafe markDirty(connection) }
        if unsafe tls.pointee.cipher.count > waiting, unsafe result == 1 || SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ,
            let reason = unsafe faultOfAnswer(tls, ssl)
        {
            unsafe fail(tls, reason, alert: nil)
            return .failed
        }
        if result == 1 {
            unsafe connection.pointee.bytesReceived &+= UInt64(truncatingIfNeeded: count)
            unsafe noteRead(connection, count)
            return .data(count)
        }
        return unsafe progress(connection, tls, SSL_get_error(ssl, result))
    }

    /// What the peer has made us write while we read: why the connection ends for it; nil: it goes on.
    private func faultOfAnswer(_ tls: UnsafeMutablePointer<TLSConnection>, _ ssl: OpaquePointer) -> Int32? {
        // Before TLS 1.3 that is `no_renegotiation`. OpenSSL says it as often as it is asked, as a warning, and reads on: a peer
        // that takes nothing would fill our memory. To Envoy's library it is an error.
        if unsafe SSL_version(ssl) < TLS1_3_VERSION, unsafe SSL_get_options(ssl) & martlet_op_no_renegotiation() != 0 {
            return SSL_R_NO_RENEGOTIATION
        }
        return unsafe tls.pointee.cipher.count > Connections.answeredMax ? SSL_R_EXCESSIVE_MESSAGE_SIZE : nil
    }

    private mutating func progress(
        _ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>, _ error: Int32
    ) -> TLSProgress {
        switch error {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE, SSL_ERROR_WANT_X509_LOOKUP, SSL_ERROR_WANT_CLIENT_HELLO_CB:
            return .more
        case SSL_ERROR_ZERO_RETURN:
            // RFC 8446 §6.1: what comes behind close_notify is not looked at.
            unsafe connection.pointee.sawEnd = true
            return .ended
        default:
            unsafe tls.pointee.hasFailed = true
            unsafe tls.pointee.failure = .taken()
            unsafe sharedText.pointee.write(tls.pointee.failure)
            return .failed
        }
    }
}
