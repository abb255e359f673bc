// Where events become lines: filter, format, queue. On the worker, without a system call.

import Primitives
import Transport
import Wire

extension Worker {
    // HOT: per message.
    /// Writes the event to every log whose filter holds. `part`: the part that configures them.
    func log(_ logs: FrozenArray<AccessLogConfig>, _ source: FormatSource, part: PartID) {
        for i in 0..<logs.count {
            let log = unsafe logs.pointer(i)
            guard unsafe formats.holds(log.pointee.filter, source) else { continue }
            if let remote = unsafe log.pointee.remote {
                unsafe send(remote, source, part)
                continue
            }
            switch unsafe log.pointee.body {
            case .text(let format):
                unsafe log.pointee.queue?.put(formats.write(format, source, missing: log.pointee.missing), writer: index)
            case .json(let format): unsafe log.pointee.queue?.put(formats.write(format, source), writer: index)
            }
        }
    }

    // HOT: per message.
    /// The manager's logs over a stream.
    func log(_ stream: StreamPointer, _ type: AccessLogType) {
        let logs = unsafe stream.pointee.http.pointee.accessLogs
        guard !logs.isEmpty else { return }
        if unsafe !stream.pointee.requestHeadDone { unsafe tellWithoutHead(stream) }
        var source = unsafe formatSource(stream)
        source.logType = type
        unsafe log(logs, source, part: part(of: stream))
    }

    /// The part that a stream's manager lies in.
    @inline(__always)
    func part(of stream: StreamPointer) -> PartID {
        if unsafe stream.pointee.pinnedPart != .max { return unsafe stream.pointee.pinnedPart }
        if let call = unsafe callState(stream) { return unsafe call.pointee.part }
        return unsafe connections.slab[stream.pointee.downstream]?.pointee.owner ?? .max
    }

    /// What was read is not a request: logs show who asked and when, and no method and no path.
    private func tellWithoutHead(_ stream: StreamPointer) {
        let version = unsafe stream.pointee.request.version
        unsafe stream.pointee.request.reset()
        unsafe stream.pointee.request.version = version
        if let connection = unsafe connections.slab[stream.pointee.downstream] { unsafe setAddresses(stream, connection) }
        unsafe stream.pointee.startWallNs = unsafe wallNs &- (nowNs &- stream.pointee.startNs)
    }
}
