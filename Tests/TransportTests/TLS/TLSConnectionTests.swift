import CLiburing
import COpenSSL
import Glibc
import Primitives
import Ring
import TestSupport
import Testing
@testable import Transport

private struct NoMemory: Error {}

/// Both ends of a TLS connection over a socket pair, turn by turn, without a worker.
@safe
private final class TLSTurns {
    let ring: Ring
    let memory: Memory
    var connections: Connections
    let arena = FrozenArena()
    private let completions = UnsafeMutablePointer<Completion>.allocate(capacity: 1024)
    private let plain = UnsafeMutableRawPointer.allocate(byteCount: Connections.recordMax, alignment: 64)
    private var contexts: [OpaquePointer] = unsafe []
    /// What came, by connection.
    var received: [UInt64: [UInt8]] = [:]
    var established: Set<UInt64> = []
    var ended: Set<UInt64> = []
    var failed: Set<UInt64> = []
    /// Ciphertext is fed in pieces of this size.
    var piece = Int.max

    init() throws {
        ring = try Ring.create(submissions: 64, completions: 1024)
        memory = Memory(blocks: BlockPool(), buffers: try ProvidedBuffers(ring: ring, count: 32, size: 4096))
        connections = Connections(ring: ring, memory: memory, capacity: 64)
    }

    deinit {
        unsafe connections.slab.forEach { connection in unsafe connections.close(connection) }
        for _ in 0..<4 { turn() }
        ring.destroy()
        memory.buffers.destroy()
        connections.destroy()
        unsafe completions.deallocate()
        unsafe plain.deallocate()
        for unsafe context in unsafe contexts { unsafe SSL_CTX_free(context) }
    }

    func context(_ certificates: Certificates?) throws -> UnsafePointer<TLSContextConfig> {
        guard let context = unsafe SSL_CTX_new(certificates == nil ? TLS_client_method() : TLS_server_method()) else { throw NoMemory() }
        unsafe contexts.append(context)
        unsafe martlet_ctx_mode(context)
        if let certificates {
            #expect(unsafe SSL_CTX_use_certificate_chain_file(context, certificates.chain("server")) == 1)
            #expect(unsafe SSL_CTX_use_PrivateKey_file(context, certificates.key("server"), SSL_FILETYPE_PEM) == 1)
        }
        var config = TLSContextConfig()
        config.isServer = certificates != nil
        config.contexts = arena.array([UInt(bitPattern: context)])
        return unsafe arena.store(config)
    }

    func open(_ descriptor: Int32, _ config: UnsafePointer<TLSContextConfig>) throws -> UnsafeMutablePointer<Connection> {
        guard let connection = unsafe connections.adopt(descriptor: descriptor, role: .none, nowNs: 0),
            let tls = unsafe connections.openTLS(connection, config, thread: 0)
        else { throw NoMemory() }
        unsafe connections.receive(connection)
        if unsafe !config.pointee.isServer { unsafe advance(connection, tls) }
        return unsafe connection
    }

    func send(_ connection: UnsafeMutablePointer<Connection>, _ bytes: [UInt8]) {
        bytes.withBytes { _ = unsafe connection.pointee.out.append(copying: $0, memory) }
        unsafe connections.markDirty(connection)
    }

    func turns(_ limit: Int = 400, until done: () -> Bool) -> Bool {
        for _ in 0..<limit {
            if done() { return true }
            turn()
        }
        return done()
    }

    func turn() {
        connections.flushAll()
        while let done = unsafe connections.takeFinished() { unsafe connections.close(done) }
        memory.buffers.publish()
        connections.resumeStarved()
        ring.turn(timeoutNs: 5_000_000)
        let count = unsafe ring.take(completions, max: 1024)
        for i in 0..<count { unsafe run(completions[i]) }
    }

    private func run(_ completion: Completion) {
        switch Operation.of(completion.user_data) {
        case .receive:
            switch connections.received(completion) {
            case .data(let connection, let position, let count, let bytes): unsafe take(connection, position, count, bytes)
            case .ended(let connection): unsafe ended.insert(connection.pointee.id)
            case .failed(let connection, _): unsafe failed.insert(connection.pointee.id)
            case .nothing: break
            }
        case .send: _ = connections.sent(completion)
        default: break
        }
    }

    private func take(_ connection: UnsafeMutablePointer<Connection>, _ position: UInt16, _ count: Int, _ bytes: Int) {
        var left = bytes
        for i in 0..<count {
            let id = memory.buffers.identifier(at: position &+ UInt16(i))
            let n = min(left, memory.buffers.size)
            left -= n
            if let tls = unsafe connection.pointee.tls {
                let whole = unsafe Bytes(UnsafeRawPointer(memory.buffers.base(id)), n)
                var start = 0
                while start < n {
                    let end = min(n, piece < n ? start + piece : n)
                    unsafe connections.feed(tls, whole.part(start, end))
                    unsafe advance(connection, tls)
                    start = end
                }
            }
            memory.buffers.release(id)
        }
    }

    private func advance(_ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>) {
        let id = unsafe connection.pointee.id
        if unsafe tls.pointee.hasFailed || connection.pointee.isClosing { return }
        if unsafe tls.pointee.isHandshaking {
            switch unsafe connections.handshake(connection, tls) {
            case .established: established.insert(id)
            case .failed:
                failed.insert(id)
                return unsafe connections.close(connection)
            default: return
            }
        }
        while true {
            switch unsafe connections.open(connection, tls, into: plain, capacity: Connections.recordMax) {
            case .data(let count):
                unsafe received[id, default: []] += Array(UnsafeRawBufferPointer(start: plain, count: count))
            case .ended:
                ended.insert(id)
                return
            case .failed:
                failed.insert(id)
                return unsafe connections.close(connection)
            case .more, .established: return
            }
        }
    }
}

@Suite struct TLSConnectionTests {
    private func pair() -> (Int32, Int32) {
        var both: [Int32] = [0, 0]
        unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &both)
        return (both[0], both[1])
    }

    private func text(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) } }

    private func certificates() throws -> Certificates {
        let certificates = try Certificates()
        try certificates.issue("server", names: "DNS:server.test")
        return certificates
    }

    @Test(.enabled(if: Shell.has("openssl")), arguments: [Int.max, 1, 7])
    func bytesGoBothWaysHoweverTheyAreCut(piece: Int) throws {
        let turns = try TLSTurns()
        turns.piece = piece
        let (a, b) = pair()
        let server = try unsafe turns.open(a, turns.context(certificates()))
        let client = try unsafe turns.open(b, turns.context(nil))
        let (serverID, clientID) = unsafe (server.pointee.id, client.pointee.id)
        #expect(turns.turns { turns.established.count == 2 })
        let (up, down) = (text(piece == .max ? 300_000 : 20_000), text(50_001))
        // In pieces: one record carries several.
        for start in stride(from: 0, to: up.count, by: 777) { unsafe turns.send(client, Array(up[start..<min(up.count, start + 777)])) }
        unsafe turns.send(server, down)
        #expect(unsafe client.pointee.out.count == up.count)
        #expect(turns.turns { turns.received[serverID]?.count == up.count && turns.received[clientID]?.count == down.count })
        #expect(turns.received[serverID] == up && turns.received[clientID] == down)
        // What was sent has left the queue, and is counted as plaintext.
        #expect(turns.turns { unsafe client.pointee.out.isEmpty && server.pointee.out.isEmpty })
        #expect(unsafe client.pointee.bytesSent == UInt64(up.count))
        #expect(turns.failed.isEmpty)
    }

    /// Tickets of TLS 1.3 wait for the server's first bytes, as Envoy's do, and leave with an end too.
    @Test(.enabled(if: Shell.has("openssl")), arguments: [true, false])
    func ticketsGoWithTheFirstAnswer(answers: Bool) throws {
        let turns = try TLSTurns()
        let (a, b) = pair()
        let server = try unsafe turns.open(a, turns.context(certificates()))
        let client = try unsafe turns.open(b, turns.context(nil))
        let (serverID, clientID) = unsafe (server.pointee.id, client.pointee.id)
        #expect(turns.turns { turns.established.count == 2 })
        unsafe turns.send(client, text(100))
        #expect(turns.turns { turns.received[serverID]?.count == 100 })
        for _ in 0..<3 { turns.turn() }
        #expect(unsafe server.pointee.tls?.pointee.cipher.isEmpty == false, "they wait")
        if answers { unsafe turns.send(server, text(50)) } else { unsafe turns.connections.closeWhenSent(server) }
        #expect(turns.turns { answers ? turns.received[clientID]?.count == 50 : turns.ended.contains(clientID) })
        let ssl = try unsafe #require(client.pointee.tls?.pointee.ssl)
        #expect(unsafe SSL_SESSION_has_ticket(SSL_get_session(ssl)) == 1)
        #expect(turns.failed.isEmpty)
    }

    @Test(.enabled(if: Shell.has("openssl")))
    func anOrderlyEndIsToldFromACut() throws {
        let turns = try TLSTurns()
        let certificates = try certificates()
        let (a, b) = pair()
        let server = try unsafe turns.open(a, turns.context(certificates))
        let client = try unsafe turns.open(b, turns.context(nil))
        let clientID = unsafe client.pointee.id
        #expect(turns.turns { turns.established.count == 2 })
        unsafe turns.send(server, text(5_000))
        unsafe turns.connections.closeWhenSent(server)
        #expect(turns.turns { turns.ended.contains(clientID) })
        #expect(turns.received[clientID]?.count == 5_000)
        #expect(unsafe client.pointee.sawEnd)
        // RFC 8446 §6.1: nothing behind it is an error.
        #expect(turns.failed.isEmpty)
    }

    /// RFC 8446 §6.1: who saw `close_notify` takes what came for the whole.
    @Test(.enabled(if: Shell.has("openssl")), arguments: [false, true])
    func aConnectionThatIsCutSaysNothing(isCut: Bool) throws {
        let turns = try TLSTurns()
        let (a, b) = pair()
        let server = try unsafe turns.open(a, turns.context(certificates()))
        let client = try unsafe turns.open(b, turns.context(nil))
        let clientID = unsafe client.pointee.id
        #expect(turns.turns { turns.established.count == 2 })
        unsafe turns.send(server, text(100))
        #expect(turns.turns { turns.received[clientID]?.count == 100 })
        if isCut { unsafe turns.connections.cutTLS(server) }
        unsafe turns.connections.close(server)
        #expect(turns.turns { turns.ended.contains(clientID) })
        let ssl = try unsafe #require(client.pointee.tls?.pointee.ssl)
        #expect(unsafe (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN == 0) == isCut)
    }

    @Test(.enabled(if: Shell.has("openssl")))
    func whatIsNoTLSGetsAnAlert() throws {
        let turns = try TLSTurns()
        let (a, b) = pair()
        let server = try unsafe turns.open(a, turns.context(certificates()))
        let id = unsafe server.pointee.id
        let hello = Array("\u{16}\u{3}\u{1}\u{0}\u{5}hello".utf8)
        #expect(unsafe write(b, hello, hello.count) == hello.count)
        #expect(turns.turns { turns.failed.contains(id) })
        var answer = [UInt8](repeating: 0, count: 64)
        let count = unsafe read(b, &answer, 64)
        // An alert record, fatal.
        #expect(count == 7 && answer[0] == 21 && answer[5] == 2)
        close(b)
    }

    /// `protocol_version`, as from Envoy; HTTP/1 gets nothing, which is as Envoy too.
    @Test(.enabled(if: Shell.has("openssl")), arguments: ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "SSH-2.0-x\r\n", "GET / HTTP/1.1\r\n\r\n"])
    func whoSpeaksAnotherProtocolIsTold(said: String) throws {
        let turns = try TLSTurns()
        let (a, b) = pair()
        let server = try unsafe turns.open(a, turns.context(certificates()))
        let id = unsafe server.pointee.id
        let bytes = Array(said.utf8)
        #expect(unsafe write(b, bytes, bytes.count) == bytes.count)
        #expect(turns.turns { turns.failed.contains(id) })
        var answer = [UInt8](repeating: 0, count: 64)
        // What there is to say has been said when the connection is closed.
        _ = fcntl(b, F_SETFL, O_NONBLOCK)
        let count = unsafe read(b, &answer, 64)
        #expect(Array(answer.prefix(max(count, 0))) == (said.hasPrefix("GET") ? [] : [21, 3, 1, 0, 2, 2, 70]))
        close(b)
    }

    /// TLS 1.2: a client that says hello again, a server that asks for one. OpenSSL refuses with a warning, as often as it is
    /// asked, and reads on; for Envoy's library, and for us, the connection is over.
    @Test(.enabled(if: Shell.has("openssl")), arguments: [true, false])
    func whoWantsToRenegotiateIsGivenUp(isClient: Bool) throws {
        let turns = try TLSTurns()
        let (a, b) = pair()
        let (serverConfig, clientConfig) = try unsafe (turns.context(certificates()), turns.context(nil))
        let contexts = try unsafe (#require(serverConfig.pointee.context(thread: 0)), #require(clientConfig.pointee.context(thread: 0)))
        #expect(unsafe martlet_ctx_versions(contexts.0, TLS1_2_VERSION, TLS1_2_VERSION) == 1)
        unsafe SSL_CTX_set_options(isClient ? contexts.0 : contexts.1, martlet_op_no_renegotiation())
        let server = try unsafe turns.open(a, serverConfig)
        let client = try unsafe turns.open(b, clientConfig)
        let (asking, asked) = unsafe isClient ? (client, server) : (server, client)
        let id = unsafe asked.pointee.id
        #expect(turns.turns { turns.established.count == 2 })
        unsafe turns.send(asking, text(100))
        #expect(turns.turns { turns.received[id]?.count == 100 })
        // It takes no answer: OpenSSL, told no, would end the connection itself.
        unsafe turns.connections.pause(asking)
        for _ in 0..<3 { turns.turn() }
        let ssl = try unsafe #require(asking.pointee.tls?.pointee.ssl)
        for _ in 0..<(isClient ? 1 : 3) {
            unsafe SSL_renegotiate(ssl)
            unsafe SSL_do_handshake(ssl)
        }
        unsafe turns.connections.markDirty(asking)
        #expect(turns.turns(40) { turns.failed.contains(id) })
        #expect(unsafe turns.connections.slab[asked.pointee.handle] == nil || asked.pointee.isClosing)
    }

    /// Where it is allowed (`allow_renegotiation`) nothing ends.
    @Test(.enabled(if: Shell.has("openssl")))
    func whoMayRenegotiateDoes() throws {
        let turns = try TLSTurns()
        let (a, b) = pair()
        let serverConfig = try unsafe turns.context(certificates())
        let context = try unsafe #require(serverConfig.pointee.context(thread: 0))
        #expect(unsafe martlet_ctx_versions(context, TLS1_2_VERSION, TLS1_2_VERSION) == 1)
        let server = try unsafe turns.open(a, serverConfig)
        let client = try unsafe turns.open(b, turns.context(nil))
        let clientID = unsafe client.pointee.id
        #expect(turns.turns { turns.established.count == 2 })
        let ssl = try unsafe #require(server.pointee.tls?.pointee.ssl)
        unsafe SSL_renegotiate(ssl)
        unsafe SSL_do_handshake(ssl)
        unsafe turns.connections.markDirty(server)
        for _ in 0..<20 { turns.turn() }
        #expect(unsafe SSL_renegotiate_pending(ssl) == 0)
        unsafe turns.send(server, text(100))
        #expect(turns.turns { turns.received[clientID]?.count == 100 })
        #expect(turns.failed.isEmpty)
    }

    /// Counts of both queues come back to nothing when a connection goes in the middle.
    @Test(.enabled(if: Shell.has("openssl")))
    func aConnectionMayGoAtAnyMoment() throws {
        let certificates = try certificates()
        for moment in 0..<12 {
            let turns = try TLSTurns()
            let (a, b) = pair()
            let server = try unsafe turns.open(a, turns.context(certificates))
            let client = try unsafe turns.open(b, turns.context(nil))
            unsafe turns.send(server, text(200_000))
            for _ in 0..<moment { turns.turn() }
            unsafe turns.connections.close(moment % 2 == 0 ? server : client)
            #expect(turns.turns { turns.connections.slab.count <= 1 })
        }
    }
}
