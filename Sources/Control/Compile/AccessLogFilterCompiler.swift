// `AccessLogFilter`: into nodes in prefix order.

import EnvoyAPI
import Matching
import Pipeline
import Primitives
import Routing
import Wire

typealias AccessLogFilterMessage = Envoy_Config_Accesslog_V3_AccessLogFilter
private typealias ExpressionFilter = Envoy_Extensions_AccessLoggers_Filters_Cel_V3_ExpressionFilter

struct AccessLogFilterCompiler {
    /// Filters inside filters; a deeper tree is refused.
    static let depthMax = 32

    let compilation: Compilation
    let part: PlanPart
    private var diagnostics: Diagnostics { compilation.diagnostics }

    func compile(_ message: AccessLogFilterMessage, _ place: Place) -> FrozenArray<AccessLogFilterNode> {
        var nodes: [AccessLogFilterNode] = []
        add(message, place, depth: 1, &nodes)
        return part.arena.array(nodes)
    }

    private func add(
        _ message: AccessLogFilterMessage, _ place: Place, depth: Int, _ nodes: inout [AccessLogFilterNode]
    ) {
        guard depth <= AccessLogFilterCompiler.depthMax else {
            diagnostics.error(place, "access log filters are nested deeper than \(AccessLogFilterCompiler.depthMax) levels")
            return
        }
        let index = nodes.count
        switch message.filterSpecifier {
        case .statusCodeFilter(let filter): nodes.append(comparison(.status, filter.comparison))
        case .durationFilter(let filter): nodes.append(comparison(.duration, filter.comparison))
        case .notHealthCheckFilter: nodes.append(AccessLogFilterNode(.notHealthCheck))
        case .traceableFilter: nodes.append(AccessLogFilterNode(.traceable))
        case .runtimeFilter(let filter): nodes.append(fraction(filter))
        case .andFilter(let filter):
            nodes.append(AccessLogFilterNode(.and))
            add(filter.filters, place.at("and_filter"), depth: depth, &nodes)
        case .orFilter(let filter):
            nodes.append(AccessLogFilterNode(.or))
            add(filter.filters, place.at("or_filter"), depth: depth, &nodes)
        case .headerFilter(let filter): header(filter, place.at("header_filter")).map { nodes.append($0) }
        case .responseFlagFilter(let filter):
            nodes.append(flags(filter, place.at("response_flag_filter")))
        case .grpcStatusFilter(let filter): nodes.append(grpcStatus(filter))
        case .metadataFilter(let filter): nodes.append(metadata(filter, place.at("metadata_filter")))
        case .logTypeFilter(let filter):
            var node = AccessLogFilterNode(.type)
            for type in filter.types where type.rawValue >= 0 && type.rawValue < 64 { node.value |= 1 << UInt64(type.rawValue) }
            node.excludes = filter.exclude
            nodes.append(node)
        case .extensionFilter(let filter):
            expression(filter, place.at("extension_filter")).map { nodes.append($0) }
        case .none:
            diagnostics.error(place, "the access log filter is empty", expected: "a filter")
        }
        if index < nodes.count { nodes[index].end = nodes.count }
    }

    private func add(
        _ messages: [AccessLogFilterMessage], _ place: Place, depth: Int, _ nodes: inout [AccessLogFilterNode]
    ) {
        for (i, message) in messages.enumerated() { add(message, place.at("filters", i), depth: depth + 1, &nodes) }
    }

    private func comparison(
        _ kind: AccessLogFilterNode.Kind, _ message: Envoy_Config_Accesslog_V3_ComparisonFilter
    ) -> AccessLogFilterNode {
        var node = AccessLogFilterNode(kind)
        switch message.op {
        case .ge: node.comparison = .greaterOrEqual
        case .le: node.comparison = .lessOrEqual
        case .ne: node.comparison = .notEqual
        default: node.comparison = .equal
        }
        node.value = UInt64(message.value.defaultValue)
        node.cell = compilation.runtime(part).cell(message.value.runtimeKey)
        return node
    }

    private func fraction(_ message: Envoy_Config_Accesslog_V3_RuntimeFilter) -> AccessLogFilterNode {
        var node = AccessLogFilterNode(.fraction)
        let percent = message.percentSampled
        node.value = UInt64(percent.numerator)
        node.denominator = UInt64(RuntimeCompiler.denominator(percent.denominator).rawValue)
        node.cell = compilation.runtime(part).cell(message.runtimeKey)
        node.isIndependent = message.useIndependentRandomness
        return node
    }

    private func header(
        _ message: Envoy_Config_Accesslog_V3_HeaderFilter, _ place: Place
    ) -> AccessLogFilterNode? {
        let at = place.at("header")
        guard let spec = RouteMatchCompiler(diagnostics: diagnostics).header(message.header, at) else { return nil }
        do throws(RoutingErrors) {
            let conditions = try HeaderConditions([spec], seed: compilation.environment.seed)
            part.own(conditions.table)
            var node = AccessLogFilterNode(.header)
            node.conditions = conditions
            if let empty = MessageHead(pool: BlockPool()) {
                node.withoutHead = conditions.hold(empty)
                empty.destroy()
            }
            return node
        } catch {
            for problem in error.list { diagnostics.error(at, problem.message) }
            return nil
        }
    }

    /// As in Envoy `invert` means nothing here.
    private func metadata(_ message: Envoy_Config_Accesslog_V3_MetadataFilter, _ place: Place) -> AccessLogFilterNode {
        var node = AccessLogFilterNode(.metadata)
        node.withoutHead = message.hasMatchIfKeyNotFound ? message.matchIfKeyNotFound.value : true
        guard message.hasMatcher else { return node }
        let matcher = message.matcher
        var condition = MetadataCondition(namespace: matcher.filter, keys: matcher.path.map(\.key), in: part.arena)
        var texts: [TextMatcher] = []
        add(matcher.value, place.at("matcher").at("value"), isAsked: true, &condition, &texts)
        condition.texts = part.arena.array(texts)
        unsafe node.metadata = unsafe part.arena.store(condition)
        return node
    }

    /// What may be said of a text: null, numbers, booleans and lists never hold. `isAsked`: not inside a list, which is checked only.
    private func add(
        _ message: Envoy_Type_Matcher_V3_ValueMatcher, _ place: Place, isAsked: Bool, _ condition: inout MetadataCondition,
        _ texts: inout [TextMatcher]
    ) {
        switch message.matchPattern {
        case .stringMatch(let string):
            guard let text = text(string, place.at("string_match")), isAsked else { return }
            texts.append(text)
        case .presentMatch(let isPresent): if isPresent, isAsked { condition.holdsAlways = true }
        case .orMatch(let any):
            for (i, value) in any.valueMatchers.enumerated() {
                add(value, place.at("or_match").at("value_matchers", i), isAsked: isAsked, &condition, &texts)
            }
        case .listMatch(let list): add(list.oneOf, place.at("list_match").at("one_of"), isAsked: false, &condition, &texts)
        case .nullMatch, .doubleMatch, .boolMatch, .none: break
        }
    }

    private func text(_ message: StringMatcher, _ place: Place) -> TextMatcher? {
        guard let spec = MatcherCompiler.string(message, DiagnosedPlace(place, diagnostics)) else { return nil }
        do throws(RegexProgram.Invalid) {
            let text = try TextMatcher(spec, in: part.arena)
            part.onDestroy { text.destroy() }
            return text
        } catch {
            diagnostics.error(place.at("safe_regex").at("regex"), error.message)
            return nil
        }
    }

    private func expression(_ filter: Envoy_Config_Accesslog_V3_ExtensionFilter, _ place: Place) -> AccessLogFilterNode? {
        guard filter.typedConfig.messageName == ExpressionFilter.protoMessageName else {
            diagnostics.error(
                place, "Didn't find a registered implementation for '\(filter.name)' with type URL: '\(filter.typedConfig.messageName)'",
                expected: "envoy.access_loggers.extension_filters.cel")
            return nil
        }
        let message = (try? ExpressionFilter(serializedBytes: filter.typedConfig.bytes)) ?? ExpressionFilter()
        var node = AccessLogFilterNode(.expression)
        node.program = ExpressionCompiler(part: part, diagnostics: diagnostics)
            .compile(message.expression, CELOptions(message.celConfig), place.at("typed_config").at("expression"))
        return node
    }

    private func flags(
        _ message: Envoy_Config_Accesslog_V3_ResponseFlagFilter, _ place: Place
    ) -> AccessLogFilterNode {
        var node = AccessLogFilterNode(.flags)
        for (i, name) in message.flags.enumerated() {
            guard let entry = ResponseFlags.names.first(where: { "\($0.short)" == name }) else {
                diagnostics.error(
                    place.at("flags", i), "unknown response flag '\(name)'", found: "'\(name)'",
                    expected: "one of Envoy's response flags, such as UH or NR")
                continue
            }
            node.value |= UInt64(entry.flag.rawValue)
        }
        return node
    }

    private func grpcStatus(_ message: Envoy_Config_Accesslog_V3_GrpcStatusFilter) -> AccessLogFilterNode {
        var node = AccessLogFilterNode(.grpcStatus)
        for status in message.statuses where status.rawValue >= 0 && status.rawValue < 64 {
            node.value |= 1 << UInt64(status.rawValue)
        }
        node.excludes = message.exclude
        return node
    }
}
