// An event becomes an item of an exporter: encoded on the worker behind the ones before it, and sent with them (`Exporting`).

import Primitives

extension Worker {
    // HOT: per message.
    @inline(never)
    func send(_ log: UnsafePointer<RemoteLogConfig>, _ source: FormatSource, _ part: PartID) {
        guard let buffer = unsafe beginItem(log.pointee.export) else { return }
        let start = buffer.items.count
        let weight: Int
        switch unsafe log.pointee.kind {
        case .http, .tcp:
            let entry = buffer.items.open(1)
            unsafe formats.entry(log, source, &buffer.items)
            weight = buffer.items.count &- entry
            buffer.items.close(entry)
        case .openTelemetry:
            let entry = buffer.items.open(2)
            unsafe formats.record(log, source, &buffer.items)
            weight = buffer.items.count &- entry
            buffer.items.close(entry)
        case .fluentd:
            // `[seconds, record]`; Envoy weighs the seconds as eight bytes.
            buffer.items.put(arrayOf: 2)
            buffer.items.put(integer: source.startWallNs / 1_000_000_000)
            let record = buffer.items.count
            unsafe formats.write(log.pointee.record, source, &buffer.items)
            weight = buffer.items.count &- record &+ 8
        }
        endItem(buffer, from: start, weight: weight, part: part)
    }
}
