// Why a route does not match a request. Each condition is asked by itself, in a table that has nothing else: the same
// code answers as for requests, and what it says cannot differ from what it does.

import EnvoyAPI
import Matching
import Primitives
import Routing
import Wire

struct MatchReasons {
    let head: MessageHead
    let context: MatchContext

    func whyNot(_ message: RouteMatchMessage) -> String {
        let spec = MatchReasons.spec(message)
        let path = RouteMatchSpec(spec.path).with(caseSensitive: spec.caseSensitive)
        guard holds(path) else { return whyNotPath(path) }
        if message.hasRuntimeFraction, let sentence = whyNotFraction(message.runtimeFraction) { return sentence }
        if message.hasGrpc, !holds(path.adding { $0.grpcOnly = true }) {
            return "grpc: content-type is \(shown(head.value(of: .contentType))), not application/grpc"
        }
        for header in spec.headers where !holds(path.adding { $0.headers = [header] }) {
            return "header \(header.name) is \(shown(value(header.name))), wanted \(MatchReasons.described(header))"
        }
        for parameter in spec.queryParameters where !holds(path.adding { $0.queryParameters = [parameter] }) {
            return "query parameter \(parameter.name): wanted \(MatchReasons.described(parameter))"
        }
        for cookie in spec.cookies where !holds(path.adding { $0.cookies = [cookie] }) {
            return "cookie \(cookie.name): wanted \(cookie.invert ? "not " : "")\(MatchReasons.described(cookie.value))"
        }
        if let presented = spec.certificatePresented, !holds(path.adding { $0.certificatePresented = presented }) {
            return "tls_context.presented: the client has shown \(presented ? "no" : "a") certificate"
        }
        if let validated = spec.certificateValidated, !holds(path.adding { $0.certificateValidated = validated }) {
            return "tls_context.validated: the client's certificate was \(validated ? "not validated" : "validated")"
        }
        if !spec.external.isEmpty { return "dynamic_metadata or filter_state: nothing sets any" }
        return "a route before it matches"
    }

    private static func spec(_ message: RouteMatchMessage) -> RouteMatchSpec {
        RouteMatchCompiler(diagnostics: Diagnostics(nil), runtime: nil).compile(message, Place.root)
    }

    // MARK: Asking

    private func holds(_ spec: RouteMatchSpec) -> Bool {
        let host = VirtualHostSpec(name: "", domains: ["*"], routes: [spec])
        guard let table = try? RouteTable(RouteTableSpec(name: "", virtualHosts: [host]), seed: 0) else { return false }
        defer { table.destroy() }
        return table.match(head, context).outcome == .route
    }

    private func whyNotPath(_ spec: RouteMatchSpec) -> String {
        let path = String(RequestPath.withoutQuery(head.text(head.path)))
        let sentence =
            switch spec.path {
            case .prefix(let prefix): "path '\(path)' does not begin with '\(prefix)'"
            case .exact(let exact): "path '\(path)' is not '\(exact)'"
            case .separatedPrefix(let prefix): "path '\(path)' is neither '\(prefix)' nor below it"
            case .regex(let pattern): "path '\(path)' as a whole does not match the regular expression \(pattern)"
            case .template(let template): "path '\(path)' does not fit the template \(template)"
            case .connect: "not a CONNECT request"
            }
        if spec.caseSensitive, holds(spec.with(caseSensitive: false)) { return sentence + " (only upper and lower case differ)" }
        return sentence
    }

    private func whyNotFraction(_ message: Envoy_Config_Core_V3_RuntimeFractionalPercent) -> String? {
        let denominator: FractionDenominator =
            switch message.defaultValue.denominator {
            case .tenThousand: .tenThousand
            case .million: .million
            default: .hundred
            }
        if Fraction(message.defaultValue.numerator, denominator).holds(context.random) { return nil }
        let key = message.runtimeKey.isEmpty ? "" : " (runtime key \(message.runtimeKey) may say otherwise)"
        return "runtime_fraction: \(message.defaultValue.numerator) of \(denominator.rawValue) requests, not this random value\(key)"
    }

    private func value(_ name: String) -> Bytes? {
        switch name {
        case ":path": head.text(head.path)
        case ":method": head.text(head.methodText)
        case ":authority", "host": head.text(head.authority)
        case ":scheme": head.schemeText
        default: name.withBytes { head.value(named: $0) }
        }
    }

    private func shown(_ value: Bytes?) -> String { value.map { "'\(String($0))'" } ?? "absent" }

    // MARK: In words

    static func described(_ message: RouteMatchMessage) -> String {
        let spec = MatchReasons.spec(message)
        var parts: [String] = []
        switch spec.path {
        case .prefix(let prefix): parts.append("prefix \(prefix)")
        case .exact(let path): parts.append("path \(path)")
        case .separatedPrefix(let prefix): parts.append("path_separated_prefix \(prefix)")
        case .regex(let pattern): parts.append("safe_regex \(pattern)")
        case .template(let template): parts.append("path_template \(template)")
        case .connect: parts.append("connect_matcher")
        }
        parts += spec.headers.map { "header \($0.name) \(described($0))" }
        parts += spec.queryParameters.map { "query parameter \($0.name) \(described($0))" }
        parts += spec.cookies.map { "cookie \($0.name) \($0.invert ? "not " : "")\(described($0.value))" }
        if spec.grpcOnly { parts.append("grpc") }
        if message.hasRuntimeFraction { parts.append("runtime_fraction") }
        return parts.joined(separator: ", ")
    }

    private static func described(_ header: HeaderMatchSpec) -> String {
        let value =
            switch header.value {
            case .present(let present): present ? "present" : "absent"
            case .string(let string): described(string)
            case .range(let start, let end): "from \(start) to below \(end)"
            }
        return (header.invert ? "not " : "") + value
    }

    private static func described(_ parameter: QueryParameterMatchSpec) -> String {
        switch parameter.value {
        case .present(let present): present ? "present" : "absent"
        case .string(let string): described(string)
        }
    }

    private static func described(_ string: StringMatchSpec) -> String {
        let text =
            switch string.kind {
            case .exact(let text): "exactly '\(text)'"
            case .prefix(let text): "beginning with '\(text)'"
            case .suffix(let text): "ending in '\(text)'"
            case .contains(let text): "containing '\(text)'"
            case .regex(let text): "matching \(text)"
            }
        return string.ignoreCase ? text + ", upper or lower case" : text
    }
}

extension RouteMatchSpec {
    fileprivate func with(caseSensitive: Bool) -> RouteMatchSpec { adding { $0.caseSensitive = caseSensitive } }

    fileprivate func adding(_ change: (inout RouteMatchSpec) -> Void) -> RouteMatchSpec {
        var spec = self
        change(&spec)
        return spec
    }
}
