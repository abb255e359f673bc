// A regular expression of `stats_config.stats_tags`: ECMAScript's, as in Envoy, for it may look ahead.

import CECMA
import Primitives
import Stats
import StatsStore

@safe
final class TagRegex {
    private let handle: OpaquePointer

    struct Invalid: Error {
        let message: String
    }

    init(_ pattern: String) throws(Invalid) {
        var reason: UnsafePointer<CChar>?
        let made = unsafe pattern.withBytes { unsafe ecma_new($0.base, $0.count, &reason) }
        guard let made = unsafe made else {
            throw unsafe Invalid(message: reason.map { unsafe String(cString: $0) } ?? "")
        }
        unsafe handle = made
    }

    deinit { unsafe ecma_delete(handle) }

    /// The first group leaves the name; the second, or where there is none the first, is the value. A pattern without a
    /// group finds nothing.
    func match(_ name: Span<UInt8>) -> TagExtraction.Match? {
        unsafe name.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return nil }
            var found = ecma_match()
            guard unsafe ecma_find(handle, base, buffer.count, &found), found.groups > 0 else { return nil }
            let removed = found.begin.0..<found.end.0
            return .init(removed: removed, value: found.groups > 1 ? found.begin.1..<found.end.1 : removed)
        }
    }

    /// `^cluster\.…` and `^cluster(?=\.)…` are bound to the first word: asked for its names only, and after the patterns
    /// that are not.
    static func firstWord(_ pattern: String) -> String? {
        guard pattern.hasPrefix("^") else { return nil }
        let rest = pattern.dropFirst()
        let word = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        let next = rest[word.endIndex...]
        guard !word.isEmpty, next.hasPrefix("\\.") || next.hasPrefix("(?=\\.)") else { return nil }
        return String(word)
    }
}
