// `hash_policy` of a route.

import EnvoyAPI
import Pipeline
import Primitives
import Routing

typealias HashPolicyMessage = Envoy_Config_Route_V3_RouteAction.HashPolicy

struct HashPolicyCompiler {
    let diagnostics: Diagnostics
    let part: PlanPart

    func compile(_ messages: [HashPolicyMessage], _ place: Place) -> FrozenArray<HashRule> {
        if messages.count > HashRule.rulesMax {
            diagnostics.error(
                place.at("hash_policy"), "a route has more than \(HashRule.rulesMax) hash policies", found: "\(messages.count)")
        }
        return part.arena.array(
            messages.enumerated().compactMap { i, message in
                var rule = rule(message, place.at("hash_policy", i))
                rule?.isTerminal = message.terminal
                return rule
            })
    }

    private func rule(_ message: HashPolicyMessage, _ place: Place) -> HashRule? {
        switch message.policySpecifier {
        case .header(let header):
            var rule = HashRule(.header)
            rule.name = part.arena.text(header.headerName.lowercased())
            if header.hasRegexRewrite {
                unsafe rule.rewrite = unsafe RegexRewriteCompiler(diagnostics: diagnostics, part: part)
                    .compile(header.regexRewrite, place.at("header").at("regex_rewrite"))
            }
            return rule
        case .cookie(let cookie): return self.cookie(cookie)
        case .connectionProperties(let properties):
            // Without `source_ip` it asks for nothing, and Envoy takes it.
            return properties.sourceIp ? HashRule(.sourceIP) : nil
        case .queryParameter(let parameter):
            var rule = HashRule(.queryParameter)
            rule.name = part.arena.text(parameter.name)
            return rule
        case .filterState(let state):
            diagnostics.error(
                place.at("filter_state"), "'filter_state' is not supported by Martlet yet: no filter sets '\(state.key)'",
                expected: "header, cookie, connection_properties or query_parameter")
            return nil
        case .none: return nil
        }
    }

    private func cookie(_ message: HashPolicyMessage.Cookie) -> HashRule {
        var rule = HashRule(.cookie)
        rule.name = part.arena.text(message.name)
        rule.makesCookie = message.hasTtl
        // RFC 6265 §4.1.1, the attributes in Envoy's order.
        var text = "\""
        if message.ttl.seconds > 0 { text += "; Max-Age=\(message.ttl.seconds)" }
        if !message.path.isEmpty { text += "; Path=\(message.path)" }
        for attribute in message.attributes {
            text += attribute.value.isEmpty ? "; \(attribute.name)" : "; \(attribute.name)=\(attribute.value)"
        }
        rule.cookieAttributes = part.arena.text(text + "; HttpOnly")
        return rule
    }
}
