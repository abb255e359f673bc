import Glibc

/// Picks free ports on 127.0.0.1 between 20000 and 31999: below the range from which the kernel takes the ports of
/// outgoing connections, and always five digits long, so that texts with ports in them keep their length.
///
/// A port is this process's until it ends: no other test run of this machine is handed the same one. Between the look
/// that a port is free and the program that binds it lies time enough for another run to take it; two test runs at once
/// used to talk to each other's programs, and lost their connections when the other one's ended.
package enum Ports {
    private static let handedOut = Locked<[UInt16: Descriptor]>([:])

    package static func free() -> UInt16 {
        for _ in 0..<2_000 {
            let candidate = UInt16.random(in: 20_000...31_999)
            guard claim(candidate) else { continue }
            if let socket = try? Sockets.listen(port: candidate, backlog: 1) {
                socket.close()
                return candidate
            }
        }
        fatalError("no free port on 127.0.0.1 between 20000 and 31999")
    }

    /// Ends with the process, however it ends: an abstract UNIX name that only one can have.
    package static func claim(_ port: UInt16) -> Bool {
        handedOut.withLock { claims in
            guard claims[port] == nil, let name = Sockets.abstractName("martlet-test-port-\(port)") else { return false }
            claims[port] = name
            return true
        }
    }
}
