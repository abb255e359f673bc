// `path_rewrite_policy`: a rewrite by URI template, and what may stand beside it.

import EnvoyAPI
import Pipeline
import Primitives
import Routing

typealias UriTemplateRewrite = Envoy_Extensions_Path_Rewrite_UriTemplate_V3_UriTemplateRewriteConfig

struct PathRewritePolicyCompiler {
    let diagnostics: Diagnostics
    let part: PlanPart

    static let onlyOne = "Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy"

    func compile(
        _ action: RouteActionMessage, _ match: RouteMatchMessage, _ place: Place, _ config: inout RouteConfig
    ) {
        var isTemplate = false
        if case .pathMatchPolicy = match.pathSpecifier { isTemplate = true }
        guard action.hasPathRewritePolicy else {
            if isTemplate, !action.prefixRewrite.isEmpty {
                diagnostics.error(
                    place.at("prefix_rewrite"), "Cannot use prefix_rewrite with matcher extension",
                    suggestion: "use path_rewrite_policy or regex_rewrite")
            }
            return
        }
        let at = place.at("path_rewrite_policy")
        if !action.prefixRewrite.isEmpty || action.hasRegexRewrite || !action.pathRewrite.isEmpty {
            diagnostics.error(at, PathRewritePolicyCompiler.onlyOne)
        }
        let policy = action.pathRewritePolicy
        guard policy.typedConfig.messageName == UriTemplateRewrite.protoMessageName,
            let message = try? UriTemplateRewrite(serializedBytes: policy.typedConfig.value)
        else {
            diagnostics.error(
                at,
                "Didn't find a registered implementation for '\(policy.name)' with type URL: '\(policy.typedConfig.messageName)'",
                expected: UriTemplateRewrite.protoMessageName)
            return
        }
        guard case .pathMatchPolicy(let matcher) = match.pathSpecifier,
            let template = RouteMatchCompiler.template(matcher)
        else {
            diagnostics.error(
                at,
                "unable to use envoy.path.rewrite.uri_template.uri_template_rewriter extension without envoy.path.match.uri_template.uri_template_matcher extension")
            return
        }
        unsafe config.regexRewrite = unsafe rewrite(template, message.pathTemplateRewrite, at)
    }

    private func rewrite(_ template: String, _ rewrite: String, _ place: Place) -> UnsafePointer<RegexRewrite>? {
        do throws(URITemplateRewrite.Invalid) {
            let made = try URITemplateRewrite(match: template, rewrite: rewrite)
            guard let regex = try? RegexRewrite(pattern: made.pattern, substitution: part.arena.text(made.substitution))
            else { throw .syntax }
            part.own(regex)
            return unsafe part.arena.store(regex)
        } catch {
            let at = place.at("typed_config").at("path_template_rewrite")
            switch error {
            case .match: break
            case .syntax:
                diagnostics.error(at, "path_rewrite_policy.path_template_rewrite \(rewrite) is invalid")
            case .unknownVariable:
                diagnostics.error(
                    at, "mismatch between variables in path_match_policy \(template) and path_rewrite_policy \(rewrite)")
            }
            return nil
        }
    }
}
