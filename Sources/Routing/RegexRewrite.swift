// `regex_rewrite`: every match in the path (without its query) is replaced by a substitution with `\0` … `\9`.

import CRE2
import Primitives
import Wire

/// Owned by the plan part that made it; used by any worker.
@safe
package struct RegexRewrite: BitwiseCopyable, @unchecked Sendable {  // immutable; RE2 allows concurrent matches
    let program: RegexProgram
    /// Lives in the plan, at least as long as this.
    let substitution: Bytes

    /// `substitution` must outlive the rewrite. A substitution that names a missing group is accepted, as in Envoy:
    /// it then rewrites nothing. `substitutionFault` says so for a warning.
    package init(pattern: String, substitution: Bytes) throws(RegexProgram.Invalid) {
        program = try RegexProgram(pattern)
        self.substitution = substitution
    }

    package func destroy() { program.destroy() }

    /// RE2's complaint about the substitution; nil when it is good.
    package var substitutionFault: String? {
        unsafe cre2_check_rewrite(program.handle, substitution.base, substitution.count).map {
            unsafe String(cString: $0)
        }
    }

    // HOT: per message.
    /// The text with every match replaced; valid on this thread until the next call. RE2 builds it in a string of its
    /// own: the one place of a rewrite that may allocate.
    package func replaceAll(_ text: Bytes) -> Bytes {
        var count = 0
        let result = unsafe cre2_global_replace(
            program.handle, text.base, text.count, substitution.base, substitution.count, &count)
        return unsafe Bytes(result, count)
    }
}
