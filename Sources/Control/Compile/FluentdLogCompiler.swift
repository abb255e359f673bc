// `envoy.access_loggers.fluentd`: records in MessagePack over TCP.

import EnvoyAPI
import Pipeline
import Primitives
import Stats

typealias FluentdAccessLog = Envoy_Extensions_AccessLoggers_Fluentd_V3_FluentdAccessLogConfig

extension RemoteLogCompiler {
    /// Nil after an error.
    func fluentd(_ message: FluentdAccessLog, _ place: Place) -> RemoteLogConfig? {
        var export = exports.config()
        export.transport = .connection
        export.envelope = .forward
        let stats = part.processScope(compilation.stats, "access_logs.fluentd." + message.statPrefix + ".", FluentdStat.self)
        export.stats.taken = stats[.entriesBuffered]
        export.stats.dropped = stats[.entriesLost]
        export.stats.batches = stats[.eventsSent]
        export.stats.closed = stats[.connectionsClosed]
        export.stats.reconnects = stats[.reconnectAttempts]
        limits(message.hasBufferFlushInterval ? message.bufferFlushInterval.milliseconds : nil,
            message.hasBufferSizeBytes ? message.bufferSizeBytes.value : nil, &export)
        let names = compilation.clusterNames
        unsafe export.target = unsafe exports.target(message.cluster, timeoutMs: 0, isTCP: true, place.at("cluster")) { cluster, diagnostics, place in
            diagnostics.error(
                place, "cluster '\(cluster)' was not found", expected: "the name of a cluster", suggestion: nearestName(cluster, names))
        }
        export.head = arena.text(message.tag)
        export.host = arena.text(message.cluster)
        guard reconnect(message.retryOptions, place.at("retry_options"), &export) else { return nil }
        var compiler = self
        compiler.extensions = FormatExtensions(message.formatters, place, part, diagnostics)
        var tokens: [RecordToken] = []
        var isRight = true
        compiler.map(message.record, key: nil, depth: 0, place.at("record"), &tokens, &isRight)
        guard isRight else { return nil }
        var config = unsafe RemoteLogConfig(.fluentd, arena.store(export))
        config.record = arena.array(tokens)
        return config
    }

    private func reconnect(_ options: FluentdAccessLog.RetryOptions, _ place: Place, _ export: inout ExportConfig) -> Bool {
        if options.hasMaxConnectAttempts { export.reconnect.attemptsMax = max(options.maxConnectAttempts.value, 1) }
        guard options.hasBackoffOptions else { return true }
        let base = options.backoffOptions.baseInterval.milliseconds
        let most = options.backoffOptions.hasMaxInterval ? options.backoffOptions.maxInterval.milliseconds : base &* 10
        guard most >= base else {
            diagnostics.error(
                place.at("backoff_options"), "max_backoff_interval must be greater or equal to base_backoff_interval")
            return false
        }
        export.reconnect.baseMs = max(base, 1)
        export.reconnect.maxMs = max(most, 1)
        return true
    }

    // MARK: The record

    private func map(
        _ fields: Google_Protobuf_Struct, key: String?, depth: Int, _ place: Place, _ tokens: inout [RecordToken],
        _ isRight: inout Bool
    ) {
        var token = token(.map, key)
        token.count = fields.fields.count
        tokens.append(token)
        for (name, value) in fields.fields.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            add(value, key: name, depth: depth + 1, place.at(name: name), &tokens, &isRight)
        }
    }

    private func add(
        _ value: Google_Protobuf_Value, key: String?, depth: Int, _ place: Place, _ tokens: inout [RecordToken],
        _ isRight: inout Bool
    ) {
        guard depth <= FormatWriter.jsonDepthMax else {
            diagnostics.error(place, "record is nested deeper than \(FormatWriter.jsonDepthMax) levels")
            isRight = false
            return
        }
        switch value.kind {
        case .structValue(let fields): map(fields, key: key, depth: depth, place, &tokens, &isRight)
        case .listValue(let list):
            var token = token(.list, key)
            token.count = list.values.count
            tokens.append(token)
            for (i, element) in list.values.enumerated() { add(element, key: nil, depth: depth + 1, place.at(index: i), &tokens, &isRight) }
        case .stringValue(let text): string(text, key: key, place, &tokens, &isRight)
        case .numberValue(let number):
            tokens.append(constant(key) { out in
                if let whole = Int64(exactly: number) {
                    whole < 0 ? out.put(negative: whole.magnitude) : out.put(integer: UInt64(whole))
                } else {
                    out.put(double: number)
                }
            })
        case .boolValue(let bool): tokens.append(constant(key) { $0.put(bool ? UInt8(0xc3) : 0xc2) })
        case .nullValue, .none: tokens.append(constant(key) { $0.put(UInt8(0xc0)) })
        }
    }

    private func string(
        _ text: String, key: String?, _ place: Place, _ tokens: inout [RecordToken], _ isRight: inout Bool
    ) {
        guard let format = Formats.compile(text, place, part, diagnostics, extensions) else {
            isRight = false
            return
        }
        let pieces = (0..<format.pieces.count).map { format.pieces[$0] }
        if pieces.allSatisfy({ $0.op == .literal }) {
            let literal = pieces.map { String($0.text) }.joined()
            return tokens.append(constant(key) { out in Array(literal.utf8).withBytes { out.put(string: $0) } })
        }
        var token = token(pieces.count == 1 ? .value : .text, key)
        token.format = format
        tokens.append(token)
    }

    private func token(_ kind: RecordToken.Kind, _ key: String?) -> RecordToken {
        var token = RecordToken(kind)
        if let key { token.key = packed { out in Array(key.utf8).withBytes { out.put(string: $0) } } }
        return token
    }

    private func constant(_ key: String?, _ write: (inout TextBuffer) -> Void) -> RecordToken {
        var token = token(.constant, key)
        token.constant = packed(write)
        return token
    }

    private func packed(_ write: (inout TextBuffer) -> Void) -> Bytes {
        var out = TextBuffer(pool: BlockPool())
        defer { out.destroy() }
        write(&out)
        return arena.text((0..<out.count).map { out.bytes[$0] })
    }
}
