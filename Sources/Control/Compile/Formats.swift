// Formats with operators, compiled into a part's memory.

import EnvoyAPI
import Pipeline
import Primitives

enum Formats {
    /// Nil after an error.
    static func compile(
        _ text: String, _ place: Place, _ part: PlanPart, _ diagnostics: Diagnostics, withoutQuery: Bool = false
    ) -> Format? {
        do throws(FormatError) {
            var compiler = FormatCompiler(in: part.arena)
            compiler.allowsRequestWithoutQuery = withoutQuery
            return try compiler.compile(text)
        } catch {
            diagnostics.error(
                place, error.description, found: error.found, expected: error.expected, suggestion: error.suggestion)
            return nil
        }
    }

    /// In the part's memory; nil after an error.
    static func store(_ text: String, _ place: Place, _ part: PlanPart, _ diagnostics: Diagnostics) -> UnsafePointer<Format>? {
        guard let format = compile(text, place, part, diagnostics) else { return nil }
        return unsafe part.arena.store(format)
    }
}
