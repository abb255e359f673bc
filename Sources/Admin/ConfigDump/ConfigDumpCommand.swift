// `/config_dump`: what to dump, from the query; who prints it is in DumpBody.

import Control
import EnvoyAPI
import Primitives
import Routing

enum ConfigDumpCommand {
    static let command = AdminCommand(
        "/config_dump", "dump current Envoy configs",
        [
            .init("resource", "The resource to dump"),
            .init(
                "mask",
                "The mask to apply. When both resource and mask are specified, the mask is applied to every element in the desired repeated field so that only a subset of fields are returned. The mask is parsed as a Protobuf::FieldMask"
            ),
            .init(
                "name_regex",
                "Dump only the currently loaded configurations whose names match the specified regex. Can be used with both resource and mask query parameters."
            ),
            .init(
                "include_eds",
                "Dump currently loaded configuration including EDS. See the response definition for more information",
                .flag),
        ]
    ) { context, request in
        do throws(Refusal) {
            let steps = try steps(context, request.query)
            return AdminResponse(contentType: AdminResponse.json, body: DumpBody(steps))
        } catch {
            return AdminResponse(error.text, status: error.status, contentType: AdminResponse.plainText)
        }
    }

    struct Refusal: Error {
        let status: UInt16
        let text: String
    }

    private static func steps(_ context: AdminContext, _ query: QueryParameters) throws(Refusal) -> [DumpStep] {
        let filter = try nameFilter(query.nonEmpty("name_regex"))
        let mask = query.nonEmpty("mask")
        let paths = (mask ?? "").split(separator: ",").map { $0.split(separator: ".", omittingEmptySubsequences: false).map(String.init) }
        let withEndpoints = query.has("include_eds")
        if let resource = query.nonEmpty("resource") {
            return try resourceSteps(context, resource, paths, filter, withEndpoints: withEndpoints)
        }
        let sections = DumpSections(context: context, filter: filter, paths: paths)
        let steps = sections.steps(withEndpoints: withEndpoints)
        guard let steps else {
            throw Refusal(
                status: 400, text: "FieldMask \(mask ?? "") could not be successfully applied to any configs.")
        }
        return steps
    }

    private static func nameFilter(_ pattern: String?) throws(Refusal) -> RegexFilter? {
        guard let pattern else { return nil }
        do throws(RegexProgram.Invalid) {
            return try RegexFilter(checked: pattern)
        } catch {
            throw Refusal(
                status: 400,
                text: "INVALID_ARGUMENT: Error while parsing name_regex from \(pattern): \(error.message)")
        }
    }

    // MARK: resource=

    private static func resourceSteps(
        _ context: AdminContext, _ resource: String, _ paths: [[String]], _ filter: RegexFilter?, withEndpoints: Bool
    ) throws(Refusal) -> [DumpStep] {
        var lists = [
            DumpLists.clusters, DumpLists.warmingClusters, DumpLists.listeners, DumpLists.warmingListeners, DumpLists.routes,
            DumpLists.secrets, DumpLists.activeSecrets, DumpLists.warmingSecrets,
        ]
        if withEndpoints { lists.append(DumpLists.endpoints) }
        guard let list = lists.first(where: { $0.field == resource }) else {
            if DumpLists.alwaysEmpty.contains(resource)
                || (withEndpoints && resource == DumpLists.alwaysEmptyEndpoints)
            {
                return [.once { $0.object { _ in } }, .once { $0.end() }]
            }
            if DumpLists.single.contains(resource) {
                throw Refusal(
                    status: 400,
                    text: "\(resource) is not a repeated field. Use ?mask=\(resource) to get only this field")
            }
            throw Refusal(status: 404, text: "\(resource) not found in config dump")
        }
        let source = DumpSource(list, context.configurator)
        let printer = DumpElement(list, paths)
        guard printer.isValid || source.count == 0 else {
            let shown = paths.map { "paths: \"\($0.joined(separator: "."))\"\n" }.joined()
            throw Refusal(status: 400, text: "FieldMask \(shown) could not be successfully used.")
        }
        let configs = LazyArray("configs")
        let type = "type.googleapis.com/envoy.admin.v3.\(list.section).\(list.element)"
        return [
            .once { $0.open("{") },
            .each(source.count) { json, i in
                for item in source.items(i) where filter.accepts(item.name) {
                    configs.element(&json)
                    json.object { json in
                        json.member("@type", type)
                        printer.members(&json, item)
                    }
                }
            },
            .once { json in
                configs.close(&json)
                json.close("}")
                json.end()
            },
        ]
    }
}

extension RegexFilter? {
    /// Names must match as a whole.
    func accepts(_ name: String) -> Bool {
        guard let self else { return true }
        return name.withBytes { self.matches($0) }
    }
}

/// Prints the elements of one list, as far as a mask shows them.
struct DumpElement {
    private let list: DumpList
    private let paths: [[String]]
    private let innerMask: FieldMask?
    private let json = MessageJSON()

    init(_ list: DumpList, _ paths: [[String]]) {
        self.list = list
        self.paths = paths
        let inner = paths.filter { $0.first == list.inner }.map { Array($0.dropFirst()) }
        innerMask = paths.isEmpty ? nil : FieldMask(inner)
    }

    /// Every path names something that elements have.
    var isValid: Bool {
        paths.allSatisfy { path in
            guard let first = path.first, list.fields.contains(first) else { return false }
            return first == list.inner || path.count == 1
        } && (innerMask?.isValid(for: list.type) ?? true)
    }

    private func shows(_ field: String) -> Bool {
        paths.isEmpty || paths.contains { $0.first == field || list.state != nil && $0.first == list.state && field != "name" }
    }

    func members(_ writer: inout JSONWriter, _ item: DumpItem) {
        if list.hasName, shows("name") { writer.member("name", item.name) }
        if list.hasVersion {
            if shows("version_info"), !item.versionInfo.isEmpty { writer.member("version_info", item.versionInfo) }
            if shows("last_updated") { writer.member("last_updated", TimestampText.render(item.updatedNs)) }
        }
        if let state = list.state {
            if shows(state) { writer.object(state) { resource(&$0, item) } }
            return
        }
        resource(&writer, item)
    }

    private func resource(_ writer: inout JSONWriter, _ item: DumpItem) {
        if shows(list.inner) {
            writer.key(list.inner)
            writer.raw(
                json.text(any: "type.googleapis.com/" + list.type, item.bytes, level: writer.level, mask: innerMask))
        }
        if list.hasTime, !list.hasVersion, shows("last_updated") { writer.member("last_updated", TimestampText.render(item.updatedNs)) }
    }
}
