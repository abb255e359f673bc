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
            let value = try FormatCompiler.compile(OldOperators.replaced(in: option.value), in: arena)
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
}
