// TLS between a connection's bytes and the machine that reads it: ciphertext in, plaintext on, by role as for any other
// connection. A machine is opened with its connection, as in Envoy, and hears nothing before the handshake is complete.

import Glibc
import Primitives
import Ring
import Stats
import Transport
import Upstream

extension Worker {
    // MARK: Beginning and end

    /// TLS over a new downstream connection; false: the context is gone, or there is no memory.
    func beginTLS(_ connection: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<FilterChainConfig>) -> Bool {
        guard let tls = unsafe openTLS(connection, slot: config.pointee.tlsSlot) else { return false }
        let timeout = unsafe config.pointee.handshakeTimeoutMs
        if timeout != 0 { unsafe timers.arm(tls.timerNode, at: nowMs &+ timeout) }
        return true
    }

    /// With the newest context of a slot, whose part is pinned until `leaveTLS`.
    func openTLS(_ connection: UnsafeMutablePointer<Connection>, slot: UInt32) -> UnsafeMutablePointer<TLSConnection>? {
        guard let plan = unsafe currentPlan, unsafe Int(slot) < plan.pointee.tls.count,
            let config = unsafe plan.pointee.tls[Int(slot)].config
        else { return nil }
        guard unsafe !config.pointee.contexts.isEmpty else {
            // Its secrets are not there yet.
            let leaf = unsafe config.pointee.isServer ? TLSSocketFactoryStat.downstreamContextSecretsNotReady : .upstreamContextSecretsNotReady
            unsafe cells.increment(config.pointee.factoryStats &+ leaf.rawValue)
            return nil
        }
        guard let tls = unsafe connections.openTLS(connection, config, thread: index) else { return nil }
        unsafe pins.pin(config.pointee.part)
        return unsafe tls
    }

    /// The connection closes.
    func leaveTLS(_ connection: UnsafeMutablePointer<Connection>) {
        guard let tls = unsafe connection.pointee.tls else { return }
        unsafe timers.cancel(tls.timerNode)
        unsafe pins.unpin(tls.pointee.config.pointee.part)
    }

    func handshakeTimedOut(_ handle: Handle) {
        guard let connection = unsafe connections.slab[handle], let tls = unsafe connection.pointee.tls,
            unsafe tls.pointee.isHandshaking, let listener = unsafe connection.pointee.listener
        else { return }
        let config = unsafe listener.assumingMemoryBound(to: ListenerConfig.self)
        unsafe countListener(config.pointee.stats, .downstreamCxTransportSocketConnectTimeout)
        unsafe tls.pointee.hasTimedOut = true
        if let server = unsafe servers[connection.pointee.session], unsafe connection.pointee.role == .http1Downstream {
            return unsafe downstreamGone(server, connection, byPeer: false)
        }
        unsafe received(ETIMEDOUT, connection)
    }

    // MARK: Upstream

    /// TLS for a connection that is under way to a host: the handshake begins when it is there.
    func prepareTLS(
        _ connection: UnsafeMutablePointer<Connection>, _ host: UnsafeMutablePointer<Host>, _ transport: ClusterTransport,
        _ identity: UpstreamIdentity
    ) -> Bool {
        guard let tls = unsafe openTLS(connection, slot: transport.tlsSlot) else { return false }
        let hostName = unsafe host.pointee.config.hostname
        var name = transport.prefersHostName && !hostName.isEmpty ? hostName : transport.serverName
        if !identity.serverName.isEmpty { name = identity.serverName }
        guard unsafe identity.checkedName.isEmpty || connections.check(tls, name: identity.checkedName) else { return false }
        unsafe connections.begin(tls, serverName: name, protocols: Worker.protocols(connection.pointee.role, isAuto: isAuto(host.pointee.cluster)))
        unsafe connection.pointee.isShakingHands = true
        return true
    }

    /// As Envoy, what the cluster speaks is what is offered where the context names no protocols.
    private static func protocols(_ role: ConnectionRole, isAuto: Bool) -> Bytes {
        switch role {
        case .http2Upstream: isAuto ? autoProtocols : Bytes("\u{2}h2" as StaticString)
        case .http1Upstream: Bytes("\u{8}http/1.1" as StaticString)
        default: .empty
        }
    }

    /// The socket is there: the client speaks first.
    func tlsConnected(_ connection: UnsafeMutablePointer<Connection>) {
        guard let tls = unsafe connection.pointee.tls else { return }
        if handshakesLeft <= 0 { return unsafe wait(connection, tls) }
        unsafe connections.receive(connection)
        unsafe tlsAdvance(connection.pointee.handle, connection, tls)
    }

    // MARK: Receiving

    // HOT: per completion.
    func tlsReceived(
        _ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>, _ position: UInt16,
        _ count: Int, _ bytes: Int
    ) {
        let handle = unsafe connection.pointee.handle
        let before = unsafe connection.pointee.bytesReceived &- UInt64(truncatingIfNeeded: bytes)
        // Counted again as plaintext.
        unsafe connection.pointee.bytesReceived &-= UInt64(truncatingIfNeeded: bytes)
        if unsafe mustWait(tls) { return unsafe keep(connection, tls, position, count, bytes) }
        memory.buffers.forEach(from: position, count: count, bytes: bytes) { id, bytes in
            if unsafe isOpen(handle, connection), unsafe !tls.pointee.hasFailed {
                unsafe connections.feed(tls, bytes)
                unsafe tlsAdvance(handle, connection, tls)
            }
            memory.buffers.release(id)
        }
        // One that was armed for its first bytes only goes on: they were a handshake's. Who got plaintext asks by itself.
        if unsafe isOpen(handle, connection), unsafe connection.pointee.bytesReceived == before, unsafe !connection.pointee.isPaused {
            unsafe connections.receive(connection)
        }
    }

    /// Bytes that were kept until a chain was there.
    func take(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes) {
        if let tls = unsafe connection.pointee.tls {
            if unsafe mustWait(tls) {
                if unsafe !tls.pointee.waiting.append(copying: bytes, memory) { return unsafe close(connection) }
                return unsafe wait(connection, tls)
            }
            unsafe connections.feed(tls, bytes)
            unsafe tlsAdvance(connection.pointee.handle, connection, tls)
        } else {
            unsafe connection.pointee.bytesReceived &+= UInt64(truncatingIfNeeded: bytes.count)
            unsafe tlsData(connection, bytes)
        }
    }

    @inline(__always)
    func isOpen(_ handle: Handle, _ connection: UnsafeMutablePointer<Connection>) -> Bool {
        unsafe connections.slab[handle] != nil && !connection.pointee.isClosing
    }

    /// As far as what was fed reaches.
    func tlsAdvance(
        _ handle: Handle, _ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>
    ) {
        if unsafe tls.pointee.isHandshaking {
            handshakesLeft &-= 1
            let progress = unsafe connections.handshake(connection, tls)
            if unsafe !tls.pointee.keyLines.isEmpty { unsafe writeKeyLines(connection, tls) }
            switch progress {
            case .established: unsafe tlsEstablished(connection, tls)
            case .failed: return unsafe tlsFailed(connection, tls)
            case .ended: return unsafe tlsSaidClose(connection, tls)
            case .more, .data: return
            }
        }
        while unsafe isOpen(handle, connection) {
            switch unsafe connections.open(connection, tls, into: plaintext, capacity: Connections.recordMax) {
            case .data(let count): unsafe tlsData(connection, Bytes(UnsafeRawPointer(plaintext), count))
            case .ended: return unsafe tlsSaidClose(connection, tls)
            case .failed: return unsafe tlsFailed(connection, tls)
            case .more, .established: return
            }
        }
    }

    /// The end is told once, though the socket's may have come already.
    private func tlsSaidClose(_ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>) {
        unsafe tls.pointee.endsBehind = false
        unsafe received(end: connection)
    }

    // HOT: per record.
    private func tlsData(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes) {
        switch unsafe connection.pointee.role {
        case .http1Downstream: unsafe http1DownstreamReceived(connection, bytes, buffer: nil)
        case .http1Upstream: unsafe http1UpstreamReceived(connection, bytes, buffer: nil)
        case .http2Downstream: unsafe http2DownstreamReceived(connection, bytes, buffer: nil)
        case .http2Upstream: unsafe http2UpstreamReceived(connection, bytes, buffer: nil)
        case .tcpDownstream, .tcpUpstream: unsafe relay(connection, bytes)
        case .tcpAhead: unsafe aheadReceived(connection, bytes)
        case .echo: unsafe echo(connection, bytes)
        case .directResponse, .closing, .none, .inspecting: break
        }
    }

    /// The end of the socket. False: a handshake that is not complete ends as a failure.
    func tlsEnded(_ connection: UnsafeMutablePointer<Connection>) -> Bool {
        guard let tls = unsafe connection.pointee.tls, unsafe tls.pointee.isHandshaking else { return true }
        if unsafe tls.pointee.isWaiting {
            unsafe tls.pointee.endsBehind = true
            return false
        }
        if unsafe connection.pointee.isShakingHands {
            unsafe handshakeFailed(connection)
        } else {
            unsafe received(ECONNRESET, connection)
        }
        return false
    }

    // MARK: Outcomes

    private func tlsEstablished(_ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>) {
        unsafe timers.cancel(tls.timerNode)
        unsafe countEstablished(tls)
        unsafe connection.pointee.securedNs = nowNs
        if unsafe connection.pointee.isShakingHands {
            unsafe connection.pointee.isShakingHands = false
            unsafe established(connection)
        } else if unsafe connection.pointee.role == .tcpDownstream {
            unsafe tcpHandshakeDone(connection)
        } else {
            unsafe httpNegotiated(connection, tls)
        }
    }

    /// The socket of an upstream breaks before its handshake is complete.
    func handshakeBroken(_ connection: UnsafeMutablePointer<Connection>, _ error: Int32) {
        connections.describe(brokenBy: error)
        let text = connections.tlsFailureText
        unsafe connectFailed(connection, .handshake(failureTexts.intern(text, else: "TLS_error")))
    }

    private func handshakeFailed(_ connection: UnsafeMutablePointer<Connection>) {
        // For who waited it was connecting until now.
        let hasFailed = unsafe connection.pointee.tls?.pointee.hasFailed ?? false
        let text = hasFailed ? connections.tlsFailureText : .empty
        unsafe connectFailed(connection, .handshake(text.isEmpty ? text : failureTexts.intern(text, else: "TLS_error")))
    }

    /// `response_code_details` of a request whose connection failed, in being made or in its handshake.
    func connectDetails(_ reason: Bytes) -> Bytes {
        let before = Bytes("upstream_reset_before_response_started{remote_connection_failure|" as StaticString)
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: before.count &+ reason.count &+ 1) { buffer in
            guard let base = buffer.baseAddress else { return before }
            unsafe base.update(from: before.base, count: before.count)
            unsafe (base + before.count).update(from: reason.base, count: reason.count)
            unsafe base[before.count &+ reason.count] = UInt8(ascii: "}")
            return unsafe failureTexts.intern(
                Bytes(UnsafeRawPointer(base), before.count &+ reason.count &+ 1),
                else: "upstream_reset_before_response_started{remote_connection_failure}")
        }
    }

    private func tlsFailed(_ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>) {
        unsafe countFailed(tls)
        if unsafe connection.pointee.isShakingHands {
            unsafe handshakeFailed(connection)
        } else {
            unsafe tls.pointee.failureText = failureTexts.intern(connections.tlsFailureText, else: "TLS_error")
            unsafe received(EPROTO, connection)
        }
    }
}

extension Worker {
    /// A client whose socket broke in the middle of its handshake: as Envoy words it, for logs.
    func noteReset(_ connection: UnsafeMutablePointer<Connection>, _ error: Int32) {
        guard let tls = unsafe connection.pointee.tls, unsafe tls.pointee.isHandshaking, unsafe connection.pointee.host.isNone
        else { return }
        connections.describe(brokenBy: error)
        unsafe tls.pointee.failureText = failureTexts.intern(connections.tlsFailureText, else: "TLS_error")
    }
}
