// `opentelemetry.proto.logs.v1.LogRecord`.

import Primitives

extension FormatWriter {
    // HOT: per message.
    mutating func record(_ log: UnsafePointer<RemoteLogConfig>, _ source: FormatSource, _ out: inout TextBuffer) {
        out.put(field: 1, fixed64: source.startWallNs)
        let body = unsafe log.pointee.body
        if body.count > 0 {
            let start = out.open(5)
            var at = 0
            value(body, &at, source, &out)
            out.close(start)
        }
        let attributes = unsafe log.pointee.attributes
        var at = 0
        while at < attributes.count { attribute(attributes, &at, 6, source, &out) }
        unsafe states(log, source, &out)
        unsafe tags(log, source, &out)
        guard let trace = unsafe source.trace else { return }
        out.put(lengthOf: 9, 16)
        unsafe out.put(bigEndian: trace.pointee.isShort ? 0 : trace.pointee.context.traceHigh)
        unsafe out.put(bigEndian: trace.pointee.context.traceLow)
        out.put(lengthOf: 10, 8)
        unsafe out.put(bigEndian: trace.pointee.context.span)
    }

    /// `KeyValue`
    private mutating func attribute(
        _ tokens: FrozenArray<OTLPToken>, _ at: inout Int, _ number: Int, _ source: FormatSource, _ out: inout TextBuffer
    ) {
        let start = out.open(number)
        out.put(1, text: tokens[at].key)
        let value = out.open(2)
        self.value(tokens, &at, source, &out)
        out.close(value)
        out.close(start)
    }

    /// `AnyValue`; `at` is behind it then. No deeper than the compiler allows.
    private mutating func value(_ tokens: FrozenArray<OTLPToken>, _ at: inout Int, _ source: FormatSource, _ out: inout TextBuffer) {
        guard at < tokens.count else { return }
        let token = tokens[at]
        at &+= 1
        switch token.kind {
        case .text:
            // A oneof's member is there even where it is empty.
            let text = out.open(1)
            out.put(utf8: write(token.format, source))
            out.close(text)
        case .beginList, .beginMap:
            let container = out.open(token.kind == .beginList ? 5 : 6)
            while at < tokens.count, tokens[at].kind != .end {
                if token.kind == .beginMap {
                    attribute(tokens, &at, 1, source, &out)
                } else {
                    let element = out.open(1)
                    value(tokens, &at, source, &out)
                    out.close(element)
                }
            }
            at &+= 1
            out.close(container)
        case .end: break
        }
    }

    /// Filter state as JSON.
    private mutating func states(_ log: UnsafePointer<RemoteLogConfig>, _ source: FormatSource, _ out: inout TextBuffer) {
        let states = unsafe log.pointee.states
        for i in 0..<states.count {
            let shown = states[i].kind == .grpcStats ? grpcCounts(source, asText: false) : tlvState(source)
            guard case .json(let json) = shown else { continue }
            OTLP.put(attribute: states[i].name, json, number: 6, &out)
        }
    }

    private mutating func tags(_ log: UnsafePointer<RemoteLogConfig>, _ source: FormatSource, _ out: inout TextBuffer) {
        let tags = unsafe log.pointee.tags
        for i in 0..<tags.count {
            let text = value(of: tags[i], source)
            if text.isEmpty { continue }
            OTLP.put(attribute: tags[i].name, text, number: 6, &out)
        }
    }
}
