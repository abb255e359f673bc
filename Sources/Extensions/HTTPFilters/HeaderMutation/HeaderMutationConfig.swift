// `envoy.extensions.filters.http.header_mutation.v3`, into frozen steps.

import EnvoyAPI
import Matching
import Pipeline
import Primitives
import Routing

/// One step on a head or on trailers. Steps follow each other: each sees what the ones before did.
struct MutationStep: BitwiseCopyable {
    enum Kind: BitwiseCopyable { case fields, matching, removePath, removeMethod }
    var kind: Kind
    /// `.fields`: additions and removals, one group each.
    var fields = FrozenArray<HeaderMutation>()
    /// `.matching`: removes the fields whose names match.
    var matcher: TextMatcher?
}

struct QueryMutation: BitwiseCopyable {
    var action: HeaderAction
    /// As it is written, and compared with decoded keys.
    var key: Bytes
    var value = Format()
}

/// What one level says.
struct MutationSet: BitwiseCopyable {
    var request = FrozenArray<MutationStep>()
    var query = FrozenArray<QueryMutation>()
    var response = FrozenArray<MutationStep>()
    var requestTrailers = FrozenArray<MutationStep>()
    var responseTrailers = FrozenArray<MutationStep>()
}

struct HeaderMutationConfig {
    let input: FilterInput
    private let problems = Problems()

    init(_ input: FilterInput) { self.input = input }

    /// The set, and whether the most specific level has the last word.
    func read() throws(FilterProblems) -> (MutationSet, Bool) {
        let message = try input.message(Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutation.self)
        let set = compile(message.mutations)
        try problems.check()
        return (set, message.mostSpecificHeaderMutationsWins)
    }

    func readRoute() throws(FilterProblems) -> MutationSet {
        let message = try input.message(Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutationPerRoute.self)
        let set = compile(message.mutations)
        try problems.check()
        return set
    }

    private func compile(_ message: Envoy_Extensions_Filters_Http_HeaderMutation_V3_Mutations) -> MutationSet {
        var set = MutationSet()
        set.request = steps(message.requestMutations, "mutations.request_mutations")
        set.response = steps(message.responseMutations, "mutations.response_mutations")
        set.requestTrailers = steps(message.requestTrailersMutations, "mutations.request_trailers_mutations")
        set.responseTrailers = steps(message.responseTrailersMutations, "mutations.response_trailers_mutations")
        set.query = queries(message.queryParameterMutations)
        return set
    }

    // MARK: Heads

    private func steps(
        _ messages: [Envoy_Config_Common_MutationRules_V3_HeaderMutation], _ path: String
    ) -> FrozenArray<MutationStep> {
        var steps: [MutationStep] = []
        var fields = HeaderMutationCompiler(in: input.arena, movesToEnd: true)
        var hasFields = false
        func endFields() {
            if hasFields { steps.append(MutationStep(kind: .fields, fields: fields.mutations)) }
            fields = HeaderMutationCompiler(in: input.arena, movesToEnd: true)
            hasFields = false
        }
        for (i, message) in messages.enumerated() {
            let at = "\(path)[\(i)]"
            switch message.action {
            case .append(let option):
                add(at + ".append.header") { () throws(FormatError) in try fields.add([try HeaderOption(option)], removing: []) }
                hasFields = true
            case .remove(let name) where name == ":path" || name == ":method":
                endFields()
                steps.append(MutationStep(kind: name == ":path" ? .removePath : .removeMethod))
            // Of a scheme nothing is sent to an HTTP/1 upstream.
            case .remove(":scheme"): break
            case .remove(let name):
                add(at + ".remove") { () throws(FormatError) in try fields.add([], removing: [name]) }
                hasFields = true
            case .removeOnMatch(let match):
                endFields()
                if let matcher = matcher(match.keyMatcher, at + ".remove_on_match.key_matcher") {
                    steps.append(MutationStep(kind: .matching, matcher: matcher))
                }
            case .none: break
            }
        }
        endFields()
        return input.arena.array(steps)
    }

    private func add(_ path: String, _ body: () throws(FormatError) -> Void) {
        do throws(FormatError) { try body() } catch { problems.add(path, error.description) }
    }

    private func matcher(_ message: StringMatcherMessage, _ path: String) -> TextMatcher? {
        guard let spec = MatcherCompiler.string(message, ProblemPlace(path, problems)) else { return nil }
        do throws(RegexProgram.Invalid) {
            let matcher = try TextMatcher(spec, in: input.arena)
            input.onRelease { matcher.destroy() }
            return matcher
        } catch {
            problems.add(path + ".safe_regex", "invalid regex: \(error.message)")
            return nil
        }
    }

    // MARK: Query parameters

    private func queries(_ messages: [Envoy_Config_Core_V3_KeyValueMutation]) -> FrozenArray<QueryMutation> {
        var mutations: [QueryMutation] = []
        for (i, message) in messages.enumerated() {
            let at = "mutations.query_parameter_mutations[\(i)]"
            if message.hasAppend { query(message.append, at + ".append").map { mutations.append($0) } }
            if !message.remove.isEmpty {
                mutations.append(QueryMutation(action: .remove, key: input.arena.text(message.remove)))
            }
            if !message.hasAppend, message.remove.isEmpty { problems.add(at, "One of 'append'/'remove' must be specified.") }
        }
        return input.arena.array(mutations)
    }

    private func query(_ message: Envoy_Config_Core_V3_KeyValueAppend, _ path: String) -> QueryMutation? {
        guard message.hasRecord else {
            problems.add(path + ".record", "is required", found: "'entry', which query parameters do not have")
            return nil
        }
        guard case .stringValue(let text)? = message.record.value.kind else {
            problems.add(path + ".record.value", "Only string value is allowed for record value.")
            return nil
        }
        let action: HeaderAction
        switch message.action {
        case .addIfAbsent: action = .addIfAbsent
        case .overwriteIfExists: action = .overwriteIfExists
        case .overwriteIfExistsOrAdd: action = .overwriteIfExistsOrAdd
        default: action = .appendIfExistsOrAdd
        }
        do throws(FormatError) {
            let value = try FormatCompiler.compile(text, in: input.arena)
            return QueryMutation(action: action, key: input.arena.text(message.record.key), value: value)
        } catch {
            problems.add(path + ".record.value", error.description)
            return nil
        }
    }
}
