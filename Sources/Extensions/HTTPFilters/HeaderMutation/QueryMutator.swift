// Query parameters of a request, changed and written anew.
//
// As in Envoy the parameters are sorted by their (decoded) keys and values that are added are percent-encoded. Those that
// stay keep the encoding that they came with; Envoy decodes them for good, which makes another request of `a=%26b`
// (docs/differences.md).

import Pipeline
import Primitives
import Wire

@safe
struct QueryMutator {
    /// Parameters of one request; a query with more is left as it is. docs/limits.md §query parameters.
    static let parametersMax = 1024

    private struct Parameter: BitwiseCopyable {
        var key: Bytes
        var value: Bytes
        var order: UInt32
        /// A value that is added lies in `values`, and has to be encoded; -1: there is none.
        var newStart = -1
        var newEnd = 0
    }

    private var nextOrder: UInt32 = 0
    private var parameters = PlainArray<Parameter>(capacity: 16)
    /// Values of parameters that are added.
    private var values: TextBuffer
    private var output: TextBuffer

    init(pool: BlockPool) {
        values = TextBuffer(pool: pool)
        output = TextBuffer(pool: pool)
    }

    func destroy() {
        parameters.destroy()
        values.destroy()
        output.destroy()
    }

    mutating func apply(_ mutations: FrozenArray<QueryMutation>, _ worker: Worker, _ stream: StreamPointer) {
        let path = unsafe stream.pointee.request.text(stream.pointee.request.path)
        guard !path.isEmpty, parse(path) else { return }
        values.reset()
        for i in 0..<mutations.count {
            let mutation = mutations[i]
            let exists = has(mutation.key)
            switch mutation.action {
            case .remove: remove(mutation.key)
            case .appendIfExistsOrAdd: unsafe add(mutation, worker, stream)
            case .addIfAbsent: if !exists { unsafe add(mutation, worker, stream) }
            case .overwriteIfExists, .overwriteIfExistsOrAdd:
                guard exists || mutation.action == .overwriteIfExistsOrAdd else { continue }
                remove(mutation.key)
                unsafe add(mutation, worker, stream)
            }
        }
        sort()
        write(path)
        guard !output.isTruncated else { return }
        unsafe stream.pointee.request.path = unsafe stream.pointee.request.store(output.bytes)
    }

    // MARK: Reading

    /// False: too many.
    private mutating func parse(_ path: Bytes) -> Bool {
        parameters.removeAll()
        nextOrder = 0
        guard let mark = path.firstIndex(of: UInt8(ascii: "?")) else { return true }
        var rest = path.from(mark &+ 1)
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "&")) ?? rest.count
            let part = rest.part(0, end)
            let equals = part.firstIndex(of: UInt8(ascii: "="))
            guard parameters.count < QueryMutator.parametersMax else { return false }
            parameters.append(
                Parameter(
                    key: part.part(0, equals ?? part.count), value: equals.map { part.from($0 &+ 1) } ?? .empty,
                    order: nextOrder))
            nextOrder &+= 1
            rest = end < rest.count ? rest.from(end &+ 1) : .empty
        }
        return true
    }

    // MARK: Changing

    private func has(_ key: Bytes) -> Bool {
        for i in 0..<parameters.count where QueryMutator.compare(parameters[i].key, key) == 0 { return true }
        return false
    }

    private mutating func remove(_ key: Bytes) {
        var kept = 0
        for i in 0..<parameters.count where QueryMutator.compare(parameters[i].key, key) != 0 {
            parameters[kept] = parameters[i]
            kept += 1
        }
        while parameters.count > kept { _ = parameters.popLast() }
    }

    private mutating func add(_ mutation: QueryMutation, _ worker: Worker, _ stream: StreamPointer) {
        let start = values.count
        unsafe values.put(worker.formatted(mutation.value, stream))
        nextOrder &+= 1
        parameters.append(
            Parameter(
                key: mutation.key, value: .empty, order: nextOrder, newStart: start, newEnd: values.count))
    }

    // MARK: Writing

    /// By decoded key, and among equal ones in order of arrival.
    private mutating func sort() {
        for i in 1..<max(parameters.count, 1) {
            let one = parameters[i]
            var place = i
            while place > 0, QueryMutator.isBefore(one, parameters[place - 1]) {
                parameters[place] = parameters[place - 1]
                place -= 1
            }
            parameters[place] = one
        }
    }

    private static func isBefore(_ a: Parameter, _ b: Parameter) -> Bool {
        let order = compare(a.key, b.key)
        return order != 0 ? order < 0 : a.order < b.order
    }

    private mutating func write(_ path: Bytes) {
        output.reset()
        output.put(path.part(0, path.firstIndex(of: UInt8(ascii: "?")) ?? path.count))
        for i in 0..<parameters.count {
            output.put(UInt8(ascii: i == 0 ? "?" : "&"))
            let parameter = parameters[i]
            if parameter.newStart >= 0 { putEncoded(parameter.key, isKey: true) } else { output.put(parameter.key) }
            output.put(UInt8(ascii: "="))
            if parameter.newStart < 0 {
                output.put(parameter.value)
            } else {
                putEncoded(values.bytes.part(parameter.newStart, parameter.newEnd), isKey: false)
            }
        }
    }

    /// Everything but letters, digits and `*-._` becomes `%XY`. Of a key only what would end it or break the request line.
    private mutating func putEncoded(_ text: Bytes, isKey: Bool) {
        for i in 0..<text.count {
            let byte = text[i]
            let isPlain = isKey
                ? byte > 0x20 && byte < 0x7f && byte != UInt8(ascii: "&") && byte != UInt8(ascii: "=") && byte != UInt8(ascii: "#")
                : PercentCoding.isUnreserved(byte) && byte != UInt8(ascii: "~") || byte == UInt8(ascii: "*")
            if isPlain {
                output.put(byte)
            } else {
                let digits = Bytes("0123456789ABCDEF" as StaticString)
                output.put(UInt8(ascii: "%"))
                output.put(digits[Int(byte >> 4)])
                output.put(digits[Int(byte & 15)])
            }
        }
    }

    /// Order of the decoded bytes.
    private static func compare(_ a: Bytes, _ b: Bytes) -> Int {
        var i = 0
        var j = 0
        while i < a.count, j < b.count {
            let left = PercentCoding.byte(a, at: i)
            let right = PercentCoding.byte(b, at: j)
            let x = left ?? a[i]
            let y = right ?? b[j]
            if x != y { return x < y ? -1 : 1 }
            i &+= left == nil ? 1 : 3
            j &+= right == nil ? 1 : 3
        }
        return (i < a.count ? 1 : 0) - (j < b.count ? 1 : 0)
    }
}
