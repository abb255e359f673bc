import TestSupport

extension Groups {
    /// `CelMatcher` in `forward_client_cert_matcher`: the field passes where the expression is true, and nowhere else.
    static let expressionMatchers = Group(
        name: "expressionMatchers",
        listeners: matchers.map { listener($0.name, $0.matcher) },
        clusters: [Group.up],
        bootstrap: "node: {id: edge, cluster: fleet}",
        cases: matchers.map { ask($0.name) } + [ask("header", "x-a: another\r\n"), ask("header", "x-a: v\r\nx-a: a\r\n"), ask("either", "x-b: v\r\n"), ask("listed_first", "x-a: v\r\n")])

    private static let header = called("_==_", called("_[_]", selected("request.headers"), text("x-a")), text("va"))
    private static let answered = called("_==_", selected("response.code"), number(200))
    private static let nonsense = called("_==_", called("_[_]", selected("request.headers"), text("x-none")), text("v"))

    private static let matchers: [(name: String, matcher: String)] = [
        ("header", rule(parsed(header))), ("checked", rule(expression("cel_expr_checked: {expr: \(header)}"))),
        ("older_parsed", rule(expression("parsed_expr: {expr: \(header)}"))), ("older_checked", rule(expression("checked_expr: {expr: \(header)}"))),
        ("checked_first", rule(expression("cel_expr_parsed: {expr: \(header)}, cel_expr_checked: {expr: \(truth(false))}"))),
        ("newer_first", rule(expression("cel_expr_parsed: {expr: \(header)}, parsed_expr: {expr: \(truth(false))}, cel_expr_string: \"false\""))),
        ("described", rule("{single_predicate: {input: \(attributes), custom_match: \(matcher("cel_expr_parsed: {expr: \(header)}", ", description: d"))}}")),
        ("number", rule(parsed(number(1)))), ("not_number", rule("{not_matcher: \(parsed(number(1)))}")),
        ("missing", rule(parsed(nonsense))), ("not_missing", rule("{not_matcher: \(parsed(nonsense))}")),
        ("missing_then_more", rules([(parsed(nonsense), sanitizes), (parsed(truth(true)), passes)])),
        ("either", rule("{or_matcher: {predicate: [\(parsed(nonsense)), \(parsed(header))]}}")),
        ("both", rule("{and_matcher: {predicate: [\(parsed(header)), \(parsed(called("_==_", selected("request.method"), text("GET"))))]}}")),
        ("answered", rule(parsed(answered))), ("not_answered", rule("{not_matcher: \(parsed(answered))}")),
        ("answered_or_true", rule(parsed(called("_||_", answered, truth(true))))),
        ("answered_then_more", rules([(parsed(answered), sanitizes), (parsed(truth(true)), passes)])),
        ("answered_or_else", rules([(parsed(answered), sanitizes)]) + ", on_no_match: \(passes)"),
        ("listed_first", rules([(parsed(header), passes)]) + ", on_no_match: \(sanitizes)"),
        ("node", rule(parsed(called("_==_", selected("xds.node.id"), text("edge"))))), ("no_node", rule("{not_matcher: \(parsed(has("xds.node")))}")),
        ("route", rule(parsed(has("xds.route_name")))), ("cluster", rule(parsed(has("xds.cluster_name")))),
        ("chain", rule(parsed(has("xds.filter_chain_name")))), ("direction", rule(parsed(called("_==_", selected("xds.listener_direction"), number(0))))),
        ("peer", rule(parsed(called("startsWith", on: selected("source.address"), text("127.0.0.1:"))))),
        ("path", rule(parsed(called("_==_", selected("request.path"), text("/p?k=v"))))), ("identified", rule(parsed(has("request.id")))),
    ]

    // MARK: Configuration

    private static let attributes = typed("xds.type.matcher.v3.HttpAttributesCelMatchInput")
    private static func typed(_ name: String, _ fields: String = "") -> String { "{name: x, typed_config: {\"@type\": type.googleapis.com/\(name)\(fields)}}" }
    private static func matcher(_ form: String, _ more: String = "") -> String { typed("xds.type.matcher.v3.CelMatcher", ", expr_match: {\(form)}\(more)") }
    private static func expression(_ form: String) -> String { "{single_predicate: {input: \(attributes), custom_match: \(matcher(form))}}" }
    private static func parsed(_ expression: String) -> String { self.expression("cel_expr_parsed: {expr: \(expression)}") }

    private static func action(_ mode: String) -> String {
        "{action: \(typed("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertConfig", ", forward_client_cert_details: \(mode)"))}"
    }
    private static let passes = action("ALWAYS_FORWARD_ONLY")
    private static let sanitizes = action("SANITIZE")

    private static func rules(_ rules: [(predicate: String, outcome: String)]) -> String {
        "matcher_list: {matchers: [\(rules.map { "{predicate: \($0.predicate), on_match: \($0.outcome)}" }.joined(separator: ", "))]}"
    }
    private static func rule(_ predicate: String) -> String { rules([(predicate, passes)]) }

    private static func listener(_ name: String, _ matcher: String) -> Group.Listener { .init(name: name, manager: "forward_client_cert_matcher: {\(matcher)}") }

    // MARK: Expressions as their messages

    private static func text(_ value: String) -> String { "{const_expr: {string_value: \"\(value)\"}}" }
    private static func number(_ value: Int) -> String { "{const_expr: {int64_value: \(value)}}" }
    private static func truth(_ value: Bool) -> String { "{const_expr: {bool_value: \(value)}}" }

    private static func called(_ function: String, on target: String? = nil, _ arguments: String...) -> String {
        "{call_expr: {function: \"\(function)\", args: [\(arguments.joined(separator: ", "))]\(target.map { ", target: \($0)" } ?? "")}}"
    }

    /// `a.b.c`
    private static func selected(_ path: String, last: String = "") -> String {
        let parts = path.split(separator: ".")
        return parts.dropFirst().enumerated().reduce("{ident_expr: {name: \(parts[0])}}") { operand, part in
            "{select_expr: {operand: \(operand), field: \(part.element)\(part.offset == parts.count - 2 ? last : "")}}"
        }
    }
    private static func has(_ path: String) -> String { selected(path, last: ", test_only: true") }

    // MARK: Cases

    private static func ask(_ listener: String, _ fields: String = "x-a: va\r\n") -> Case {
        let name = fields == "x-a: va\r\n" ? "" : "_" + fields.filter { $0.isLetter || $0.isNumber }
        return Case("expressionMatchers.\(listener)\(name)", request("GET /p?k=v", "x-forwarded-client-cert: By=old\r\n" + fields), on: listener)
    }
}
