import Glibc
import Synchronization

/// Picks free ports on 127.0.0.1 between 20000 and 31999: below the range from which the kernel takes the ports of
/// outgoing connections, and always five digits long, so that texts with ports in them keep their length.
package enum Ports {
    private static let handedOut = Mutex<Set<UInt16>>([])

    package static func free() -> UInt16 {
        for _ in 0..<2_000 {
            let candidate = UInt16.random(in: 20_000...31_999)
            guard handedOut.withLock({ $0.insert(candidate).inserted }) else { continue }
            if let socket = try? Sockets.listen(port: candidate, backlog: 1) {
                socket.close()
                return candidate
            }
        }
        fatalError("no free port on 127.0.0.1 between 20000 and 31999")
    }
}
