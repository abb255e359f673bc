// One request on its way through the transcoder: what its path and query said, and what of its bodies waits.

final class TranscodedCall {
    struct Binding {
        let path: [Int]
        let value: String
    }

    let tables: TranscoderTables
    let method: TranscodedMethod
    private let bindings: [Binding]
    /// Of the request, for `google.api.HttpBody`.
    let contentType: String
    private let unknown: UnknownParameters

    // Request.
    /// The first message of a raw stream has been made.
    private(set) var rawHasBegun = false
    private var elements = JSONElements()

    // Response.
    /// Bytes of a message that is not complete.
    private var pending: [UInt8] = []
    private(set) var messageCount = 0
    var responseIsClosed = false
    // What the gauges say of it.
    var shownRequestBytes = 0
    var shownResponseBytes = 0
    /// What `content-type` a raw answer says.
    private(set) var rawContentType: String?

    init(_ tables: TranscoderTables, _ method: TranscodedMethod, _ bindings: [Binding], contentType: String, unknown: UnknownParameters) {
        self.unknown = unknown
        self.tables = tables
        self.method = method
        self.bindings = bindings
        self.contentType = contentType
    }

    // MARK: Request

    /// The message of a request that is here in full, with its prefix.
    func message(_ body: [UInt8]) throws(TranscodeError) -> [UInt8] {
        if method.requestIsRaw { return TranscodedCall.frame(try raw(body)) }
        return TranscodedCall.frame(try encode(body.isEmpty ? nil : body[...]))
    }

    /// The messages that are complete with these bytes of a stream of requests.
    func messages(_ bytes: [UInt8], isLast: Bool) throws(TranscodeError) -> [UInt8] {
        if method.requestIsRaw { return try rawPart(bytes) }
        var out: [UInt8] = []
        var failure: TranscodeError?
        let isArray = elements.take(bytes[...]) { element in
            do throws(TranscodeError) {
                out += TranscodedCall.frame(try encode(element))
                return true
            } catch {
                failure = error
                return false
            }
        }
        if let failure { throw failure }
        guard isArray, !isLast || !elements.isEmpty else { throw TranscodeError("Expected an array instead of an object") }
        guard !isLast || elements.isComplete else { throw TranscodeError("Unexpected end of string. Expected , or ] after array value.") }
        return out
    }

    /// Bytes of a stream of requests that wait for the rest of their message.
    var keptBytes: Int { elements.keptBytes }

    private func encode(_ json: ArraySlice<UInt8>?) throws(TranscodeError) -> [UInt8] {
        var body: JSONValue?
        if let json {
            do throws(JSONParseError) { body = try JSONParser.parse(json) } catch { throw TranscodeError(error.message) }
        }
        let reader = JSONToProto(schema: tables.schema, ignoresEnumCase: tables.config.ignoresEnumCase)
        return try reader.message(try bound(body), method.input, "")
    }

    /// The body in its place of the request's message, and beside it what path and query say. What the body says itself goes
    /// before.
    private func bound(_ body: JSONValue?) throws(TranscodeError) -> JSONValue {
        var root: JSONValue = .object([])
        if let body {
            root = body
            for name in names(method.bodyPath).reversed() { root = .object([(name, root)]) }
        }
        for binding in bindings {
            let path = names(binding.path)
            if !isRepeated(binding.path), let there = TranscodedCall.value(body.map { _ in root } ?? .object([]), binding.path, tables, method.input, isBound: isBound) {
                guard tables.config.rejectsCollisions else { continue }
                throw TranscodeError(
                    "The binding value \(JSONToProto.text(.string(binding.value))) of the field \(path.joined(separator: ".")) is conflicting with the value \(JSONToProto.text(there)) in the body.")
            }
            TranscodedCall.insert(&root, path[...], binding.value)
            boundPaths.insert(binding.path)
        }
        boundPaths.removeAll()
        return root
    }

    /// Paths that a binding has filled: a further one may fill them again.
    private var boundPaths: Set<[Int]> = []
    private func isBound(_ path: [Int]) -> Bool { boundPaths.contains(path) }

    private func names(_ path: [Int]) -> [String] {
        var names: [String] = []
        for (depth, place) in path.enumerated() {
            guard let type = tables.type(of: Array(path[..<depth]), method.input) else { return names }
            names.append(tables.schema.messages[type].fields[place].name)
        }
        return names
    }

    private func isRepeated(_ path: [Int]) -> Bool {
        guard let type = tables.type(of: Array(path.dropLast()), method.input), let last = path.last else { return false }
        return tables.schema.messages[type].fields[last].isRepeated
    }

    /// The value at a path of fields, under either of their names; nil: there is none, or a binding's.
    private static func value(
        _ root: JSONValue, _ path: [Int], _ tables: TranscoderTables, _ type: Int, isBound: ([Int]) -> Bool
    ) -> JSONValue? {
        var value = root
        var type: Int? = type
        for place in path {
            guard let current = type, case .object(let entries) = value else { return nil }
            let field = tables.schema.messages[current].fields[place]
            guard let entry = entries.last(where: { $0.key == field.name || $0.key == field.jsonName }) else { return nil }
            value = entry.value
            if case .message(let next) = field.kind { type = next } else { type = nil }
        }
        return isBound(path) ? nil : value
    }

    private static func insert(_ root: inout JSONValue, _ path: ArraySlice<String>, _ value: String) {
        guard let name = path.first, case .object(var entries) = root else { return }
        if path.count == 1 {
            entries.append((name, .string(value)))
        } else if let place = entries.lastIndex(where: { $0.key == name }) {
            var inner = entries[place].value
            insert(&inner, path.dropFirst(), value)
            entries[place].value = inner
        } else {
            var inner: JSONValue = .object([])
            insert(&inner, path.dropFirst(), value)
            entries.append((name, inner))
        }
        root = .object(entries)
    }

    /// A part of a raw stream is a message; only the first one says the type, and what path and query say.
    private func rawPart(_ bytes: [UInt8]) throws(TranscodeError) -> [UInt8] {
        guard rawHasBegun else {
            rawHasBegun = true
            return TranscodedCall.frame(try raw(bytes))
        }
        guard !bytes.isEmpty else { return [] }
        var content: [UInt8] = []
        ProtoWireWriter.delimited(2, bytes, &content)
        return TranscodedCall.frame(wrap(method.bodyPath, content))
    }

    /// A body that is no JSON: `google.api.HttpBody`, behind what path and query say.
    private func raw(_ body: [UInt8]) throws(TranscodeError) -> [UInt8] {
        var content: [UInt8] = []
        if !contentType.isEmpty { ProtoWireWriter.delimited(1, Array(contentType.utf8), &content) }
        if let parameters = unknown.packed { ProtoWireWriter.delimited(3, parameters, &content) }
        ProtoWireWriter.delimited(2, body, &content)
        if method.bodyPath.isEmpty { return content }
        return wrap(method.bodyPath, []) + (try encode(nil)) + wrap(method.bodyPath, content)
    }

    /// A message as the value of the field at the path's end.
    private func wrap(_ path: [Int], _ message: [UInt8]) -> [UInt8] {
        var out = message
        for depth in stride(from: path.count - 1, through: 0, by: -1) {
            guard let type = tables.type(of: Array(path[..<depth]), method.input) else { return out }
            var outer: [UInt8] = []
            ProtoWireWriter.delimited(tables.schema.messages[type].fields[path[depth]].number, out, &outer)
            out = outer
        }
        return out
    }

    private static func frame(_ message: [UInt8]) -> [UInt8] {
        let count = UInt32(truncatingIfNeeded: message.count)
        return [0, UInt8(truncatingIfNeeded: count >> 24), UInt8(truncatingIfNeeded: count >> 16), UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)]
            + message
    }

    // MARK: Response

    var pendingBytes: Int { pending.count }

    /// What the messages that are complete with these bytes look like to the client.
    func response(_ bytes: [UInt8]) throws(TranscodeError) -> [UInt8] {
        pending += bytes
        var out: [UInt8] = []
        var at = 0
        while pending.count - at >= 5 {
            let count = Int(pending[at + 1]) << 24 | Int(pending[at + 2]) << 16 | Int(pending[at + 3]) << 8 | Int(pending[at + 4])
            guard pending.count - at - 5 >= count else { break }
            guard pending[at] == 0 else { throw TranscodeError("Unsupported gRPC frame flag: \(pending[at])", .internalError) }
            // One message is all that such a response has.
            if method.serverStreams || messageCount == 0 { out += try text(pending[(at + 5)..<(at + 5 + count)]) }
            at += 5 + count
        }
        pending.removeFirst(at)
        return out
    }

    private func text(_ message: ArraySlice<UInt8>) throws(TranscodeError) -> [UInt8] {
        if method.responseIsRaw { return try rawAnswer(message) }
        let printer = ProtoToJSON(schema: tables.schema, options: tables.config.printing)
        let json = try printer.text(message, method.output)
        messageCount += 1
        guard method.serverStreams else { return json }
        if tables.config.isEventStream { return Array("data: ".utf8) + json + [10, 10] }
        if tables.config.isNewlineDelimited { return json + [10] }
        return [messageCount == 1 ? UInt8(ascii: "[") : UInt8(ascii: ",")] + json
    }

    /// The array's end, where there is an array.
    func closing() throws(TranscodeError) -> [UInt8] {
        if pending.count >= 5 {
            let count = Int(pending[1]) << 24 | Int(pending[2]) << 16 | Int(pending[3]) << 8 | Int(pending[4])
            throw TranscodeError("Incomplete gRPC frame expected size: \(count) actual size: \(pending.count - 5)", .internalError)
        }
        if !pending.isEmpty { throw TranscodeError("Incomplete gRPC frame header received", .internalError) }
        guard !responseIsClosed else { return [] }
        responseIsClosed = true
        guard method.serverStreams, !method.responseIsRaw, !tables.config.isEventStream, !tables.config.isNewlineDelimited else { return [] }
        return messageCount == 0 ? Array("[]".utf8) : [UInt8(ascii: "]")]
    }

    private func rawAnswer(_ message: ArraySlice<UInt8>) throws(TranscodeError) -> [UInt8] {
        var bytes = message
        var type = method.output
        for place in method.responsePath {
            let field = tables.schema.messages[type].fields[place]
            bytes = TranscodedCall.field(field.number, bytes) ?? []
            if case .message(let next) = field.kind { type = next }
        }
        if messageCount == 0 { rawContentType = String(decoding: TranscodedCall.field(1, bytes) ?? [], as: UTF8.self) }
        messageCount += 1
        return Array(TranscodedCall.field(2, bytes) ?? [])
    }

    private static func field(_ wanted: UInt32, _ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var reader = ProtoWireReader(bytes)
        var found: ArraySlice<UInt8>?
        while !reader.isAtEnd {
            guard let (number, wireType) = reader.tag() else { return found }
            if number == wanted, wireType == 2 {
                found = reader.delimited()
            } else if !reader.skip(wireType) {
                return found
            }
        }
        return found
    }

    /// `google.rpc.Status` as JSON: as the server sends it, or made of code and message.
    func status(code: Int64, message: String, details: [UInt8]?) -> [UInt8]? {
        guard let type = tables.schema.message(named: "google.rpc.Status") else { return nil }
        var bytes = details ?? []
        if details == nil {
            ProtoWireWriter.tag(1, 0, &bytes)
            ProtoWireWriter.varint(UInt64(bitPattern: code), &bytes)
            if !message.isEmpty { ProtoWireWriter.delimited(2, Array(message.utf8), &bytes) }
        }
        return try? ProtoToJSON(schema: tables.schema, options: tables.config.printing).text(bytes[...], type)
    }
}
