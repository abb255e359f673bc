// Compiled RE2 programs: what Envoy's `safe_regex` means. The table that compiled one owns it.
//
// All workers share one program. RE2 takes a reader's lock inside a match, and two workers that do nothing but match the
// same program pay 116 ns where one alone pays 65 (measured): against a request of 13 µs that is 0.4 %, in the worst
// case. A copy per worker would cost 2.5 KB and 5.5 µs of compiling, on the request path or for every worker in advance.
// Worth a second look on machines with many cores. (Ten thousand routes that differ in their literal beginning share
// one program anyway: `RegexLiteralPrefix`.)

import CRE2
import Primitives

@safe
package struct RegexProgram: BitwiseCopyable, @unchecked Sendable {  // RE2 allows concurrent matches
    let handle: OpaquePointer

    /// Bytes that one program may take, its state cache included (RE2's own default). `docs/limits.md` §regex.
    package static let memoryMax: Int64 = 8 << 20

    package struct Invalid: Error, Equatable {
        /// RE2's own words.
        package var message: String

        package init(message: String) { self.message = message }
    }

    /// `ofCharacters`: of UTF-8, as expressions mean it, and not of bytes.
    package init(_ pattern: String, ofCharacters: Bool = false) throws(Invalid) {
        let made = unsafe pattern.withBytes {
            unsafe ofCharacters
                ? cre2_new_of_characters($0.base, $0.count, RegexProgram.memoryMax) : cre2_new($0.base, $0.count, RegexProgram.memoryMax)
        }
        guard let made = unsafe made else { throw Invalid(message: "out of memory") }
        if let error = unsafe cre2_error(made) {
            let message = unsafe String(cString: error)
            unsafe cre2_delete(made)
            throw Invalid(message: message)
        }
        unsafe handle = made
    }

    package func destroy() { unsafe cre2_delete(handle) }

    /// RE2's instructions: what expressions limit (`CELLimits.regexSizeMax`).
    package var size: Int { Int(unsafe cre2_program_size(handle)) }

    // HOT: per message.
    /// The whole text must match. Linear in the text's length, whatever the pattern.
    @inline(__always)
    package func matches(_ text: Bytes) -> Bool { unsafe cre2_full_match(handle, text.base, text.count) }

    /// Some part of the text must match: what filters of the admin interface mean.
    package func finds(in text: Bytes) -> Bool { unsafe cre2_partial_match(handle, text.base, text.count) }
}

/// Many patterns, tried at once in one pass.
@safe
struct RegexSet: @unchecked Sendable {  // RE2::Set allows concurrent matches
    let handle: OpaquePointer

    /// Bytes for one set: beyond it a match says so and its patterns are tried one by one. `docs/limits.md` §regex.
    static let memoryMax: Int64 = 32 << 20

    /// Nil when the patterns do not fit the bound.
    init?(_ patterns: [String]) {
        guard let made = unsafe cre2_set_new(RegexSet.memoryMax) else { return nil }
        for pattern in patterns {
            let number = pattern.withBytes { unsafe cre2_set_add(made, $0.base, $0.count) }
            guard number >= 0 else {
                unsafe cre2_set_delete(made)
                return nil
            }
        }
        guard unsafe cre2_set_compile(made) else {
            unsafe cre2_set_delete(made)
            return nil
        }
        unsafe handle = made
    }

    func destroy() { unsafe cre2_set_delete(handle) }

    /// The matching patterns' numbers, ascending; valid on this thread until the next call. Nil when the bound of
    /// memory was met.
    @inline(__always)
    func matches(_ text: Bytes) -> UnsafeBufferPointer<Int32>? {
        var numbers: UnsafePointer<Int32>?
        let count = unsafe cre2_set_match(handle, text.base, text.count, &numbers)
        return count < 0 ? nil : unsafe UnsafeBufferPointer(start: numbers, count: Int(count))
    }
}
