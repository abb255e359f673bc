// `redirect`.

import EnvoyAPI
import Pipeline
import Primitives
import Routing

struct RedirectCompiler {
    let compilation: Compilation
    let part: PlanPart
    private var diagnostics: Diagnostics { compilation.diagnostics }

    func compile(
        _ message: Envoy_Config_Route_V3_RedirectAction, _ place: Place
    ) -> UnsafePointer<RedirectConfig> {
        var config = RedirectConfig()
        switch message.responseCode {
        case .found: config.status = 302
        case .seeOther: config.status = 303
        case .temporaryRedirect: config.status = 307
        case .permanentRedirect: config.status = 308
        default: config.status = 301
        }
        switch message.schemeRewriteSpecifier {
        case .httpsRedirect(let https): config.parts.httpsRedirect = https
        case .schemeRedirect(let scheme): config.parts.schemeRedirect = part.arena.text(scheme)
        case .none: break
        }
        config.parts.hostRedirect = part.arena.text(message.hostRedirect)
        if message.portRedirect > 65535 {
            diagnostics.error(
                place.at("port_redirect"), "port_redirect is not a port", found: "\(message.portRedirect)",
                expected: "at most 65535")
        }
        config.parts.port = UInt16(truncatingIfNeeded: message.portRedirect)
        switch message.pathRewriteSpecifier {
        case .pathRedirect(let path): config.parts.pathRedirect = part.arena.text(path)
        case .prefixRewrite(let prefix): config.prefixRewrite = part.arena.text(prefix)
        case .regexRewrite(let regex):
            unsafe config.regexRewrite = unsafe RegexRewriteCompiler(diagnostics: diagnostics, part: part)
                .compile(regex, place.at("regex_rewrite"))
        case .pathRewrite(let format):
            unsafe config.pathFormat = unsafe Formats.store(format, place.at("path_rewrite"), part, diagnostics)
        case .none: break
        }
        config.parts.stripQuery = message.stripQuery
        return unsafe part.arena.store(config)
    }
}
