import Glibc
import Pipeline
import Primitives
import Testing

@Suite struct ListenSocketTests {
    private let local = SocketAddress(ip: "127.0.0.1", port: 0) ?? SocketAddress()

    private func option(_ descriptor: Int32, _ level: Int32, _ name: Int32) -> Int32 {
        var value: Int32 = -1
        var count = socklen_t(4)
        unsafe getsockopt(descriptor, level, name, &value, &count)
        return value
    }

    private func settings(_ list: [(level: Int32, name: Int32, value: Int32, state: SocketSetting.State)], _ arena: FrozenArena) -> FrozenArray<SocketSetting> {
        arena.array(
            list.map { setting in
                SocketSetting(
                    level: setting.level, name: setting.name, value: arena.text(unsafe withUnsafeBytes(of: setting.value) { unsafe Array($0) }),
                    state: setting.state)
            })
    }

    @Test func eachWorkerHasASocketOfItsOwn() throws {
        let sockets = try ListenSocket.open(local, workers: 3, ListenOptions(backlog: 8))
        defer { for socket in sockets { Glibc.close(socket) } }
        #expect(sockets.count == 3)
        #expect(sockets.allSatisfy { option($0, SOL_SOCKET, SO_REUSEPORT) == 1 })
    }

    @Test func oneSocketForAllIsNobodyElses() throws {
        let sockets = try ListenSocket.open(local, workers: 3, ListenOptions(backlog: 8, sharesOneSocket: true))
        defer { for socket in sockets { Glibc.close(socket) } }
        #expect(sockets.count == 1)
        #expect(option(sockets[0], SOL_SOCKET, SO_REUSEPORT) == 0)
    }

    @Test func optionsAreSetInTheirState() throws {
        let arena = FrozenArena()
        let options = ListenOptions(
            backlog: 8,
            settings: settings(
                [
                    (SOL_SOCKET, SO_PRIORITY, 3, .beforeBind), (SOL_SOCKET, SO_KEEPALIVE, 1, .bound),
                    (Int32(IPPROTO_TCP), TCP_FASTOPEN, 7, .listening),
                ], arena))
        let sockets = try ListenSocket.open(local, workers: 2, options)
        defer { for socket in sockets { Glibc.close(socket) } }
        for socket in sockets {
            #expect(option(socket, SOL_SOCKET, SO_PRIORITY) == 3 && option(socket, SOL_SOCKET, SO_KEEPALIVE) == 1)
            #expect(option(socket, Int32(IPPROTO_TCP), TCP_FASTOPEN) == 7)
        }
    }

    /// An address that this machine has not: IP_FREEBIND has to come before it is bound.
    @Test func anAddressThatIsNotHere() throws {
        let arena = FrozenArena()
        let address = try #require(SocketAddress(ip: "203.0.113.5", port: 0))
        #expect(throws: ListenError.self) { try ListenSocket.open(address, workers: 1, ListenOptions(backlog: 8)) }
        let sockets = try ListenSocket.open(
            address, workers: 1,
            ListenOptions(backlog: 8, settings: settings([(Int32(IPPROTO_IP), IP_FREEBIND, 1, .beforeBind)], arena)))
        for socket in sockets { Glibc.close(socket) }
    }

    @Test(arguments: [SocketSetting.State.beforeBind, .bound, .listening])
    func whatTheSystemRefusesIsNamed(state: SocketSetting.State) throws {
        let arena = FrozenArena()
        let options = ListenOptions(backlog: 8, settings: settings([(SOL_SOCKET, 9999, 1, state)], arena))
        #expect(throws: ListenError.option(local, level: SOL_SOCKET, name: 9999, ENOPROTOOPT)) {
            try ListenSocket.open(local, workers: 1, options)
        }
    }
}
