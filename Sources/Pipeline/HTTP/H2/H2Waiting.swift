// What a session has to send and could not yet, for the gauges `pending_send_bytes`, `outbound_frames_active` and
// `outbound_control_frames_active`: bodies that wait for the peer's windows, frames that wait until the connection's queue
// has room. (Envoy counts frames until the kernel has them.) Where nothing waits nothing is written.

import Primitives
import Stats
import Transport

@safe
struct H2Waiting {
    private(set) var bytes = 0
    /// A body's bytes went through its queue.
    fileprivate var hasQueued = false
    fileprivate var isShown = false
    fileprivate var shownBytes = 0
    fileprivate var shownFrames = 0
    fileprivate var shownControl = 0

    // HOT: per frame.
    /// The queue of one of its streams has changed.
    @inline(__always)
    mutating func count(_ entry: UnsafeMutablePointer<H2Stream>) {
        let now = unsafe entry.pointee.out.count
        if now > 0 { hasQueued = true }
        unsafe bytes &+= now &- entry.pointee.countedBytes
        unsafe entry.pointee.countedBytes = now
    }
}

extension Worker {
    // HOT: per turn.
    func showWaiting(_ session: UnsafeMutablePointer<H2Session>, frames: Int, control: Int) {
        let stats = unsafe session.pointee.stats
        func show(_ shown: inout Int, _ now: Int, _ leaf: HTTP2CodecStat) {
            guard shown != now else { return }
            cells.gaugeAdd(stats &+ leaf.rawValue, Int64(now &- shown))
            shown = now
        }
        if unsafe session.pointee.waiting.hasQueued && !session.pointee.waiting.isShown {
            // There from the first body on, 0 or not (`usedonly`).
            unsafe session.pointee.waiting.isShown = true
            cells.gaugeAdd(stats &+ HTTP2CodecStat.pendingSendBytes.rawValue, 0)
        }
        unsafe show(&session.pointee.waiting.shownBytes, session.pointee.waiting.bytes, .pendingSendBytes)
        unsafe show(&session.pointee.waiting.shownFrames, frames, .outboundFramesActive)
        unsafe show(&session.pointee.waiting.shownControl, control, .outboundControlFramesActive)
    }
}
