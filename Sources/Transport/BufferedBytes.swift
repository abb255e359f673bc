// `…_cx_rx_bytes_buffered` and `…_cx_tx_bytes_buffered`: what a connection's owner shows of it, as Envoy keeps them. The
// first is the size of the last read, until the next one or the end; the second is what has been queued and has not left.
//
// Owned by the connection, moved by its worker. A read of the same size as the one before it, and a send that leaves in
// the turn that queued it, cost a comparison. What waits in one send of less than `shownInFlight` is not seen until more
// is queued behind it.

import Primitives
import Stats

package struct BufferedBytes: BitwiseCopyable {
    /// `.max`: nobody keeps them.
    fileprivate var rxGauge: StatID = .max
    fileprivate var txGauge: StatID = .max
    fileprivate var rx: UInt32 = 0
    fileprivate var tx: UInt32 = 0
}

extension Connections {
    /// A send of more counts as waiting from the moment that the kernel has it.
    static let shownInFlight = 64 << 10

    /// From here on these gauges show the connection. What others showed of it they show no more.
    package func showBuffered(_ connection: UnsafeMutablePointer<Connection>, rx: StatID, tx: StatID) {
        let shown = unsafe connection.pointee.buffered
        unsafe hideBuffered(connection)
        unsafe connection.pointee.buffered.rxGauge = rx
        unsafe connection.pointee.buffered.txGauge = tx
        unsafe noteRead(connection, Int(shown.rx))
        unsafe noteWaiting(connection, Int(shown.tx))
    }

    func hideBuffered(_ connection: UnsafeMutablePointer<Connection>) {
        unsafe noteRead(connection, 0)
        unsafe noteWaiting(connection, 0)
        unsafe connection.pointee.buffered = BufferedBytes()
    }

    // HOT: per completion.
    @inline(__always)
    func noteRead(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Int) {
        let bytes = UInt32(truncatingIfNeeded: bytes)
        let before = unsafe connection.pointee.buffered.rx
        guard bytes != before, unsafe connection.pointee.buffered.rxGauge != .max else { return }
        unsafe connection.pointee.buffered.rx = bytes
        unsafe cells?.gaugeAdd(connection.pointee.buffered.rxGauge, Int64(bytes) &- Int64(before))
    }

    // HOT: per completion.
    @inline(__always)
    func noteWaiting(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Int) {
        let bytes = UInt32(clamping: bytes)
        let before = unsafe connection.pointee.buffered.tx
        guard bytes != before, unsafe connection.pointee.buffered.txGauge != .max else { return }
        unsafe connection.pointee.buffered.tx = bytes
        unsafe cells?.gaugeAdd(connection.pointee.buffered.txGauge, Int64(bytes) &- Int64(before))
    }
}
