// `json_format`, compiled: an object whose values are texts with operators, or constants. Frozen plain memory.
//
// Written as Envoy 1.40 writes it (each case was asked of the binary): keys in bytewise order, no white space; a value
// that is one operator alone keeps its type (number, string, null for none), a value with text around operators is a
// string with "-" for what is missing.

import Primitives
import Wire

@safe
package struct JSONFormat: BitwiseCopyable {
    package var tokens = FrozenArray<JSONToken>()
    /// `omit_empty_values`: members that are null, and objects without members, are left out.
    package var omitsEmpty = false
    package init() {}
}

@safe
package struct JSONToken: BitwiseCopyable {
    package enum Kind: UInt8, BitwiseCopyable {
        /// `{`, `}`, `[`, `]`; the outermost object has no key.
        case beginObject, endObject, beginList, endList
        /// Ready text of a constant.
        case constant
        case null
        /// One operator alone.
        case value
        /// Text around operators.
        case string
    }

    package var kind = Kind.null
    /// `"key":`, escaped; empty in lists.
    package var key = Bytes.empty
    package var text = Bytes.empty
    package var format = Format()
    package init() {}
}

/// Where a container began, while it is being written.
struct JSONLevel: BitwiseCopyable {
    /// Of the text before it, its comma and key among it.
    var start: Int
    var hasMembers = false
    var isObject: Bool
}

extension FormatWriter {
    /// How deep objects and lists may be nested; the compiler refuses more.
    package static let jsonDepthMax = 64

    // HOT: per message.
    /// One line over `source`, its line end included.
    package mutating func write(_ format: JSONFormat, _ source: FormatSource) -> Bytes {
        text.reset()
        levels.removeAll()
        for i in 0..<format.tokens.count { unsafe append(format.tokens.pointer(i), source, format.omitsEmpty) }
        text.put(UInt8(ascii: "\n"))
        return text.bytes
    }

    // HOT: per field.
    private mutating func append(_ token: UnsafePointer<JSONToken>, _ source: FormatSource, _ omitsEmpty: Bool) {
        switch unsafe token.pointee.kind {
        case .beginObject, .beginList:
            let start = text.count
            unsafe begin(token)
            let isObject = unsafe token.pointee.kind == .beginObject
            levels.append(JSONLevel(start: start, isObject: isObject))
            text.put(isObject ? UInt8(ascii: "{") : UInt8(ascii: "["))
        case .endObject, .endList: end(omitsEmpty)
        case .constant:
            unsafe begin(token)
            unsafe text.put(token.pointee.text)
            member()
        case .null: if !omitsEmpty { unsafe null(token) }
        case .string:
            unsafe begin(token)
            text.put(UInt8(ascii: "\""))
            // Piece by piece: one that is not UTF-8 does not change how the others are escaped.
            for i in unsafe 0..<token.pointee.format.pieces.count {
                let start = text.count
                unsafe append(token.pointee.format.pieces.pointer(i), source, omitsEmpty ? .empty : .dash)
                escape(from: start)
            }
            text.put(UInt8(ascii: "\""))
            member()
        case .value: unsafe single(token, source, omitsEmpty)
        }
    }

    /// Comma and key.
    @inline(__always)
    private mutating func begin(_ token: UnsafePointer<JSONToken>) {
        if levels.count > 0, levels[levels.count &- 1].hasMembers { text.put(UInt8(ascii: ",")) }
        unsafe text.put(token.pointee.key)
    }

    @inline(__always)
    private mutating func member() {
        guard levels.count > 0 else { return }
        levels[levels.count &- 1].hasMembers = true
    }

    private mutating func end(_ omitsEmpty: Bool) {
        guard levels.count > 0 else { return }
        let level = levels[levels.count &- 1]
        levels.count &-= 1
        // Lists stay, and so does the line's own object.
        if omitsEmpty, level.isObject, !level.hasMembers, levels.count > 0 {
            text.truncate(to: level.start)
            return
        }
        text.put(level.isObject ? UInt8(ascii: "}") : UInt8(ascii: "]"))
        member()
    }

    private mutating func null(_ token: UnsafePointer<JSONToken>) {
        unsafe begin(token)
        text.put("null")
        member()
    }

    // HOT: per field.
    private mutating func single(_ token: UnsafePointer<JSONToken>, _ source: FormatSource, _ omitsEmpty: Bool) {
        let piece = unsafe token.pointee.format.pieces.pointer(0)
        let value = unsafe evaluate(piece, source)
        if case .missing = value {
            if !omitsEmpty { unsafe null(token) }
            return
        }
        unsafe begin(token)
        switch value {
        // `:status` is a header, and headers are strings.
        case .number(let number) where unsafe piece.pointee.op == .responseHeader:
            text.put(UInt8(ascii: "\""))
            text.put(decimal: number)
            text.put(UInt8(ascii: "\""))
        case .number(let number): text.put(decimal: number)
        case .negative(let number):
            text.put(UInt8(ascii: "-"))
            text.put(decimal: number)
        case .text(let bytes):
            text.put(UInt8(ascii: "\""))
            let start = text.count
            text.put(bytes)
            escape(from: start)
            text.put(UInt8(ascii: "\""))
        case .json(let bytes): text.put(bytes)
        case .missing: break
        }
        member()
    }

    // HOT: per field.
    /// Escapes what was written from `start` on: nearly always it is right as it is.
    private mutating func escape(from start: Int) {
        let raw = text.bytes(from: start)
        if JSONString.isPlain(raw) { return }
        // `value` held at most one operator's text, and that has been copied.
        value.reset()
        value.put(raw)
        text.truncate(to: start)
        JSONString.write(value.bytes, into: &text)
    }
}
