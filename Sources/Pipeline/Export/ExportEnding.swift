// The end: of the configuration that names an exporter, and of the process. What waits leaves then, and streams and
// connections that would go on for ever are ended by us.

import Primitives
import Transport

extension Worker {
    /// Parts that no plan lists any more: their exporters send what they have, and let go of the part.
    func retireExports(_ part: PartID) {
        for case let buffer? in exports.buffers where buffer.part == part && !buffer.isRetired { retire(buffer) }
    }

    private func retire(_ buffer: ExportBuffer) {
        buffer.isRetired = true
        flush(buffer)
        if buffer.count == 0 { endStream(of: buffer) }
    }

    /// The process goes: nothing waits for its interval any more.
    package func endExports() {
        exports.isEnding = true
        for case let buffer? in exports.buffers { retire(buffer) }
        tellExports()
    }

    /// While the process ends main wants to know whether anything is still to be sent or answered.
    @inline(__always)
    func tellExports() { if exports.isEnding { mailbox.exports(pending: pendingExports) } }

    private var pendingExports: Int {
        var pending = 0
        for case let buffer? in exports.buffers { pending &+= (buffer.count > 0 ? 1 : 0) &+ buffer.requests }
        return pending
    }
}
