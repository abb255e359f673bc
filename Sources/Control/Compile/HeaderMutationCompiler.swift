// `request_headers_to_add`, `…_to_remove` and their response twins, at every level that has them.

import EnvoyAPI
import Pipeline
import Primitives
import Wire

/// One level's mutations, removals first as Envoy applies them.
struct HeaderMutationLists {
    var request: [HeaderMutation] = []
    var response: [HeaderMutation] = []
}

/// The four fields that route, virtual host, table and weighted cluster have alike.
protocol HeaderMutating {
    var requestHeadersToAdd: [HeaderValueOption] { get }
    var requestHeadersToRemove: [String] { get }
    var responseHeadersToAdd: [HeaderValueOption] { get }
    var responseHeadersToRemove: [String] { get }
}
extension RouteConfiguration: HeaderMutating {}
extension VirtualHostMessage: HeaderMutating {}
extension RouteMessage: HeaderMutating {}
extension Envoy_Config_Route_V3_WeightedCluster.ClusterWeight: HeaderMutating {}

struct HeaderMutationCompiler {
    let compilation: Compilation
    let part: PlanPart
    private var diagnostics: Diagnostics { compilation.diagnostics }

    func compile(_ message: some HeaderMutating, _ place: Place) -> HeaderMutationLists {
        var lists = HeaderMutationLists()
        for (i, name) in message.requestHeadersToRemove.enumerated() {
            lists.request.append(removal(name, place.at("request_headers_to_remove", i)))
        }
        for (i, option) in message.requestHeadersToAdd.enumerated() {
            addition(option, place.at("request_headers_to_add", i)).map { lists.request.append($0) }
        }
        for (i, name) in message.responseHeadersToRemove.enumerated() {
            lists.response.append(removal(name, place.at("response_headers_to_remove", i)))
        }
        for (i, option) in message.responseHeadersToAdd.enumerated() {
            addition(option, place.at("response_headers_to_add", i)).map { lists.response.append($0) }
        }
        return lists
    }

    /// Levels from the most specific one up. Envoy applies the most specific first, so that the others win, unless
    /// `most_specific_header_mutations_wins`.
    static func combine(
        _ levels: [HeaderMutationLists], mostSpecificWins: Bool, _ arena: FrozenArena
    ) -> HeaderMutations {
        let ordered = mostSpecificWins ? levels.reversed() : levels
        var mutations = HeaderMutations()
        mutations.request = arena.array(grouped(ordered.map(\.request)))
        mutations.response = arena.array(grouped(ordered.map(\.response)))
        return mutations
    }

    /// One group per level that has any: the next level sees what the one before did.
    private static func grouped(_ levels: [[HeaderMutation]]) -> [HeaderMutation] {
        Array(levels.filter { !$0.isEmpty }.joined(separator: [HeaderMutation.groupEnd]))
    }

    /// A list that stands alone.
    func additions(_ options: [HeaderValueOption], _ place: Place, field: StaticString) -> FrozenArray<HeaderMutation> {
        part.arena.array(options.enumerated().compactMap { i, option in addition(option, place.at(field, i)) })
    }

    func additions(_ headers: [Envoy_Config_Core_V3_HeaderValue], _ place: Place, field: StaticString) -> FrozenArray<HeaderMutation> {
        part.arena.array(
            headers.enumerated().compactMap { i, header in
                var option = HeaderValueOption()
                option.header = header
                return addition(option, place.at(field, i), header: place.at(field, i))
            })
    }

    /// Steps that follow each other, each seeing what the ones before did (`common.mutation_rules.v3.HeaderMutation`).
    func steps(
        _ messages: [Envoy_Config_Common_MutationRules_V3_HeaderMutation], _ place: Place, field: StaticString
    ) -> FrozenArray<HeaderMutation> {
        var steps: [[HeaderMutation]] = []
        for (i, message) in messages.enumerated() {
            let at = place.at(field, i)
            switch message.action {
            case .append(let option):
                if var mutation = addition(option, at.at("append")) {
                    mutation.movesToEnd = true
                    steps.append([mutation])
                }
            case .remove(let name): steps.append([removal(name, at.at("remove"))])
            case .removeOnMatch:
                diagnostics.unsupported(
                    at, "envoy.config.common.mutation_rules.v3.HeaderMutation", ["remove_on_match": true])
            case .none: break
            }
        }
        return part.arena.array(HeaderMutationCompiler.grouped(steps))
    }

    private func removal(_ name: String, _ place: Place) -> HeaderMutation {
        let lowered = name.lowercased()
        if lowered.hasPrefix(":") || lowered == "host" {
            diagnostics.error(place, ":-prefixed or host headers may not be removed", found: "'\(name)'")
        }
        return HeaderMutation(name: part.arena.text(lowered), value: Format(), action: .remove)
    }

    /// `header`: where the option's header stands.
    private func addition(_ option: HeaderValueOption, _ place: Place, header at: Place? = nil) -> HeaderMutation? {
        let header = option.header
        let name = header.key.lowercased()
        let at = at ?? place.at("header")
        if name.hasPrefix(":") || name == "host" {
            diagnostics.error(
                at.at("key"), ":-prefixed or host headers may not be modified", found: "'\(header.key)'",
                suggestion: name.hasPrefix(":path") ? "use prefix_rewrite" : "use host_rewrite_literal")
            return nil
        }
        guard name.isEmpty || name.withBytes(Methods.isToken) else {
            diagnostics.error(
                at.at("key"), "invalid header name", found: "'\(header.key)'", expected: "letters, digits and !#$%&'*+-.^_`|~")
            return nil
        }
        if option.hasAppend, option.appendAction != .appendIfExistsOrAdd {
            diagnostics.error(
                place.at("append"), "Both append and append_action are set and it's not allowed", expected: "append_action alone")
            return nil
        }
        let text = header.value.isEmpty ? String(decoding: header.rawValue, as: UTF8.self) : header.value
        guard let value = Formats.compile(OldOperators.replaced(in: text), at.at("value"), part, diagnostics) else { return nil }
        return HeaderMutation(
            name: part.arena.text(name), value: value, action: action(option), keepsEmpty: option.keepEmptyValue)
    }

    private func action(_ option: HeaderValueOption) -> HeaderAction {
        if option.hasAppend { return option.append.value ? .appendIfExistsOrAdd : .overwriteIfExistsOrAdd }
        switch option.appendAction {
        case .addIfAbsent: return .addIfAbsent
        case .overwriteIfExistsOrAdd: return .overwriteIfExistsOrAdd
        case .overwriteIfExists: return .overwriteIfExists
        default: return .appendIfExistsOrAdd
        }
    }
}
