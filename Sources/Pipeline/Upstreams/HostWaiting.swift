// Whose turn it is when a host has room again: requests that wait for a connection (`Pool`, `H2Pool`) and sessions of
// `tcp_proxy` (`TCPWaiting`).
//
// A connection ends inside the event of somebody else's, who may still have hold of the host, or be among those who wait. So
// the host is only marked there, and served at the end of the turn, by its handle: it may be gone by then.

import Primitives
import Upstream

extension Worker {
    /// Connections that are opened for requests in one go, as by Envoy; the next one that ends asks again.
    private static let opensMax = 3

    /// A connection of the host has ended, or is established, and somebody waits.
    func serveLater(_ host: UnsafeMutablePointer<Host>) {
        guard unsafe !host.pointee.isToServe else { return }
        unsafe host.pointee.isToServe = true
        unsafe hostsToServe.append(host.pointee.handle.raw)
    }

    // HOT: per turn, where somebody waits.
    func serveHosts() {
        // What is marked meanwhile is the next turn's.
        let count = hostsToServe.count
        for i in 0..<count {
            let handle = Handle(raw: hostsToServe[i])
            guard let host = unsafe hosts[handle] else { continue }
            unsafe host.pointee.isToServe = false
            serveWaiting(handle)
            servePending(handle)
        }
        hostsToServe.removeFirst(count)
    }

    private func servePending(_ handle: Handle) {
        for http2 in [false, true] {
            var left = Worker.opensMax
            while left > 0, let host = unsafe hosts[handle], let cluster = unsafe cluster(of: host), let stream = unsafe lastUnserved(host, http2: http2),
                unsafe openForPending(host, cluster, stream.pointee.upstreamIsHigh ? .high : .normal, http2: http2)
            {
                left &-= 1
            }
        }
    }
}
