// Listening sockets, kept by main across updates: a listener that keeps its address keeps its sockets, and with them
// every connection that waits in their queues.

import Glibc
import Pipeline
import Primitives

/// The sockets of one address, one per worker; closed when the last listener part that uses them is gone.
final class ListenSocketGroup {
    let address: SocketAddress
    /// The address with the port that the system chose, where port 0 was asked for.
    let bound: SocketAddress
    let descriptors: [Int32]
    private var uses = 0
    private let closed: (SocketAddress) -> Void

    init(_ address: SocketAddress, workers: Int, backlog: Int32, closed: @escaping (SocketAddress) -> Void) throws(ListenError) {
        self.address = address
        descriptors = try ListenSocket.open(address, workers: workers, backlog: backlog)
        bound = address.family == .unix ? address : SocketAddress(localOf: descriptors[0])
        self.closed = closed
    }

    func retain() { uses += 1 }

    func release() {
        uses -= 1
        guard uses == 0 else { return }
        for descriptor in descriptors { Glibc.close(descriptor) }
        closed(address)
    }
}

final class ListenSockets {
    private var groups: [String: ListenSocketGroup] = [:]
    private let workers: Int

    init(workers: Int) { self.workers = workers }

    /// The sockets of an address, opened when nobody has them yet. Each call needs a `release` of the group.
    func acquire(_ address: SocketAddress, backlog: Int32) throws(ListenError) -> ListenSocketGroup {
        let key = "\(address)"
        if let group = groups[key] {
            group.retain()
            return group
        }
        let group = try ListenSocketGroup(address, workers: workers, backlog: backlog) { [weak self] address in
            self?.groups["\(address)"] = nil
        }
        group.retain()
        groups[key] = group
        return group
    }
}
