// Expressions of the Common Expression Language in configuration: as text, or parsed by who wrote it.

import EnvoyAPI
import Matching
import Pipeline
import Primitives

extension CELOptions {
    init(_ message: Envoy_Config_Core_V3_CelExpressionConfig) {
        self.init()
        converts = message.enableStringConversion
        joins = message.enableStringConcat
        hasStringFunctions = message.enableStringFunctions
    }
}

struct ExpressionCompiler {
    let part: PlanPart
    let diagnostics: Diagnostics

    /// Nil after an error.
    func compile(_ text: String, _ options: CELOptions, _ place: Place) -> CELProgram? {
        do throws(CELError) {
            return try CELCompiler(in: part.arena, options).compile(text)
        } catch {
            diagnostics.error(place, "Not able to parse filter expression: \(error.message)", expected: "an expression such as response.code >= 400")
            return nil
        }
    }

    /// A sampler's or a matcher's: one that was parsed already, as in Envoy. `knowsNode`: `xds.node` is the process's. Nil after an error.
    func compile(parsed message: Xds_Type_V3_CelExpression, _ place: Place, knowsNode: Bool = true) -> CELProgram? {
        do throws(CELError) {
            guard let expression = try ExpressionReader.read(message) else {
                throw CELError("CEL expression not set.")
            }
            return try CELCompiler(in: part.arena, knowsNode: knowsNode).compile(expression)
        } catch {
            diagnostics.error(place, "failed to create an expression: \(error.message)", expected: "an expression in cel_expr_checked or cel_expr_parsed")
            return nil
        }
    }
}
