// `regex_rewrite`: a pattern and what takes the place of its matches.

import EnvoyAPI
import Pipeline
import Primitives
import Routing

struct RegexRewriteCompiler {
    let diagnostics: Diagnostics
    let part: PlanPart

    /// Nil after an error.
    func compile(_ message: RegexAndSubstitute, _ place: Place) -> UnsafePointer<RegexRewrite>? {
        do throws(RegexProgram.Invalid) {
            let rewrite = try RegexRewrite(
                pattern: message.pattern.regex, substitution: part.arena.text(message.substitution))
            part.own(rewrite)
            return unsafe part.arena.store(rewrite)
        } catch {
            diagnostics.error(place.at("pattern").at("regex"), "invalid regex: \(error.message)")
            return nil
        }
    }
}
