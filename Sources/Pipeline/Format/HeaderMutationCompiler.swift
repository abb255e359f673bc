// `HeaderValueOption` lists → frozen mutations. Main thread.

import Primitives
import Wire

/// One entry of `request_headers_to_add` or `response_headers_to_add`.
package struct HeaderOption {
    package var name: String
    package var value: String
    package var action: HeaderAction
    package var keepsEmpty: Bool
    package init(
        name: String, value: String, action: HeaderAction = .appendIfExistsOrAdd, keepsEmpty: Bool = false
    ) {
        self.name = name
        self.value = value
        self.action = action
        self.keepsEmpty = keepsEmpty
    }
}

/// Call `add` once per level, in the order in which the levels apply, then `mutations`.
package struct HeaderMutationCompiler {
    private let arena: FrozenArena
    private let movesToEnd: Bool
    private var all: [HeaderMutation] = []

    /// `movesToEnd`: where an overwritten header goes.
    package init(in arena: FrozenArena, movesToEnd: Bool = false) {
        self.arena = arena
        self.movesToEnd = movesToEnd
    }

    package var mutations: FrozenArray<HeaderMutation> { arena.array(all) }

    /// One level: what it removes, and what it adds.
    package mutating func add(_ options: [HeaderOption], removing names: [String]) throws(FormatError) {
        var group: [HeaderMutation] = []
        for name in names {
            try HeaderMutationCompiler.checkRemovable(name)
            group.append(HeaderMutation(name: lower(name), value: Format(), action: .remove))
        }
        for option in options {
            try HeaderMutationCompiler.checkMutable(option.name)
            guard !option.value.utf8.contains(where: { $0 == 0 || $0 == 10 || $0 == 13 }) else {
                throw FormatError("header '\(option.name)': the value holds a NUL, a CR or a LF")
            }
            let value = try FormatCompiler.compile(HeaderMutationCompiler.modern(option.value), in: arena)
            var mutation = HeaderMutation(
                name: lower(option.name), value: value, action: option.action, keepsEmpty: option.keepsEmpty)
            mutation.movesToEnd = movesToEnd
            group.append(mutation)
        }
        guard !group.isEmpty else { return }
        if !all.isEmpty { all.append(.groupEnd) }
        all += group
    }

    private func lower(_ name: String) -> Bytes { arena.text(name.utf8.map { Bytes.lower($0) }) }

    // MARK: names

    static func checkMutable(_ name: String) throws(FormatError) {
        try checkName(name)
        if isProtected(name) {
            throw FormatError(":-prefixed or host headers may not be modified: '\(name)'")
        }
    }

    static func checkRemovable(_ name: String) throws(FormatError) {
        try checkName(name)
        if isProtected(name) { throw FormatError(":-prefixed or host headers may not be removed: '\(name)'") }
    }

    private static func isProtected(_ name: String) -> Bool {
        name.hasPrefix(":") || (name.utf8.count == 4 && name.lowercased() == "host")
    }

    private static func checkName(_ name: String) throws(FormatError) {
        let isToken = name.utf8.allSatisfy { byte in
            // RFC 9110 §5.6.2, and the colon of pseudo-headers, which is refused by name.
            (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x30 && byte <= 0x39)
                || "!#$%&'*+-.^_`|~:".utf8.contains(byte)
        }
        guard !name.isEmpty, isToken else { throw FormatError("'\(name)' is no header name") }
    }

    // MARK: old operators

    /// Header values may still hold the operators of old: `%UPSTREAM_METADATA(["ns","key"])%`,
    /// `%DYNAMIC_METADATA(["ns","key"])%`, `%PER_REQUEST_STATE(key)%`.
    static func modern(_ text: String) -> String {
        var text = text
        for name in ["UPSTREAM_METADATA", "DYNAMIC_METADATA"] {
            let open = Array("%\(name)([".utf8)
            var bytes = Array(text.utf8)
            while let start = firstIndex(of: open, in: bytes) {
                guard let close = firstIndex(of: Array("])%".utf8), in: bytes, from: start + open.count) else { break }
                let list = String(decoding: bytes[(start + open.count)..<close], as: UTF8.self)
                let parts = list.split(separator: ",").map { part in
                    String(part.drop { $0 == " " || $0 == "\"" || $0 == "\\" }.prefix { $0 != "\"" && $0 != "\\" })
                }
                bytes.replaceSubrange(start..<(close + 3), with: Array("%\(name)(\(parts.joined(separator: ":")))%".utf8))
            }
            text = String(decoding: bytes, as: UTF8.self)
        }
        return replace("%PER_REQUEST_STATE(", with: "%FILTER_STATE(", in: text)
    }

    private static func replace(_ old: String, with new: String, in text: String) -> String {
        var bytes = Array(text.utf8)
        while let start = firstIndex(of: Array(old.utf8), in: bytes) {
            bytes.replaceSubrange(start..<(start + old.utf8.count), with: Array(new.utf8))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func firstIndex(of needle: [UInt8], in bytes: [UInt8], from start: Int = 0) -> Int? {
        guard bytes.count >= needle.count else { return nil }
        for i in stride(from: start, through: bytes.count - needle.count, by: 1)
        where bytes[i] == needle[0] && Array(bytes[i..<(i + needle.count)]) == needle {
            return i
        }
        return nil
    }
}
