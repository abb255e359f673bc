// The whole dump: one section per kind of configuration, in Envoy's order.

import Control
import EnvoyAPI
import Primitives

struct DumpSections {
    let context: AdminContext
    let filter: RegexFilter?
    /// Empty: everything. Otherwise a section is shown only if every path names something that it has.
    let paths: [[String]]

    /// Nil when no section has what the mask names.
    func steps(withEndpoints: Bool) -> [DumpStep]? {
        let configs = LazyArray("configs")
        var steps: [DumpStep] = []
        if let bootstrap = bootstrapSteps(configs) { steps += bootstrap }
        steps += listSteps([DumpLists.clusters, DumpLists.warmingClusters], configs)
        if withEndpoints { steps += listSteps([DumpLists.endpoints], configs) }
        steps += listSteps([DumpLists.listeners, DumpLists.warmingListeners], configs)
        if paths.isEmpty { steps.append(emptySection("ScopedRoutesConfigDump", configs)) }
        steps += listSteps([DumpLists.routes], configs)
        steps += listSteps([DumpLists.secrets, DumpLists.activeSecrets, DumpLists.warmingSecrets], configs)
        if steps.isEmpty { return nil }
        return [.once { $0.open("{") }] + steps + [
            .once { json in
                configs.close(&json)
                json.close("}")
                json.end()
            }
        ]
    }

    private func begin(_ section: String, _ configs: LazyArray, _ json: inout JSONWriter) {
        configs.element(&json)
        json.open("{")
        json.member("@type", "type.googleapis.com/envoy.admin.v3." + section)
    }

    private func emptySection(_ section: String, _ configs: LazyArray) -> DumpStep {
        .once { json in
            begin(section, configs, &json)
            json.close("}")
        }
    }

    // MARK: Lists

    /// `lists`: those of one section.
    private func listSteps(_ lists: [DumpList], _ configs: LazyArray) -> [DumpStep] {
        guard let section = lists.first?.section, paths.allSatisfy({ path in lists.contains { path == [$0.field] } }) else { return [] }
        var steps: [DumpStep] = [.once { json in begin(section, configs, &json) }]
        for list in lists where paths.isEmpty || paths.contains([list.field]) {
            let source = DumpSource(list, context.configurator)
            let printer = DumpElement(list, [])
            let array = LazyArray(list.field)
            steps.append(
                .each(source.count) { json, i in
                    for item in source.items(i) where filter.accepts(item.name) {
                        array.element(&json)
                        json.object { printer.members(&$0, item) }
                    }
                })
            steps.append(.once { json in array.close(&json) })
        }
        return steps + [.once { json in json.close("}") }]
    }

    // MARK: Bootstrap

    private func bootstrapSteps(_ configs: LazyArray) -> [DumpStep]? {
        let updated = TimestampText.render(context.configurator.document?.updatedNs ?? 0)
        if paths.isEmpty {
            return [.once { begin("BootstrapConfigDump", configs, &$0) }] + wholeBootstrap() + [
                .once { json in
                    json.member("last_updated", updated)
                    json.close("}")
                }
            ]
        }
        guard paths.allSatisfy({ $0.first == "bootstrap" || $0 == ["last_updated"] }) else { return nil }
        let inner = paths.filter { $0.first == "bootstrap" }.map { Array($0.dropFirst()) }
        let mask = FieldMask(inner)
        guard mask.isValid(for: "envoy.config.bootstrap.v3.Bootstrap") else { return nil }
        var bootstrap = bootstrap
        if inner.contains(where: { $0.isEmpty || $0.first == "static_resources" }), hasResources {
            bootstrap.staticResources.listeners = context.configurator.listeners.map(\.message)
            bootstrap.staticResources.clusters = context.configurator.clusters.map(\.message)
        }
        let isShown = !inner.isEmpty
        let hasTime = paths.contains(["last_updated"])
        return [
            .once { json in
                begin("BootstrapConfigDump", configs, &json)
                if isShown {
                    json.key("bootstrap")
                    json.raw(MessageJSON().text(bootstrap, level: json.level, mask: mask))
                }
                if hasTime { json.member("last_updated", updated) }
                json.close("}")
            }
        ]
    }

    private var hasResources: Bool { context.configurator.document?.hasStaticResources ?? false }

    /// The bootstrap without static resources and with what Envoy adds to its node.
    private var bootstrap: Bootstrap {
        var bootstrap = context.configurator.document?.bootstrap ?? .init()
        let parts = context.version.split(separator: "/").map(String.init)
        bootstrap.node.userAgentName = NodeIdentity.userAgent
        var version = Envoy_Config_Core_V3_BuildVersion()
        version.version.majorNumber = 1
        version.version.minorNumber = 40
        for (name, index) in NodeIdentity.metadata where index < parts.count {
            version.metadata.fields[name] = .init(stringValue: parts[index])
        }
        bootstrap.node.userAgentBuildVersion = version
        bootstrap.node.extensions = BuiltInExtensions.all(context.configurator).map { known in
            var message = Envoy_Config_Core_V3_Extension()
            message.name = known.name
            message.category = known.category
            message.typeUrls = known.types
            return message
        }
        return bootstrap
    }

    /// Static resources one by one; what stands before and behind them (by field number) in one go each.
    private func wholeBootstrap() -> [DumpStep] {
        let whole = bootstrap
        var head = Bootstrap()
        head.node = whole.node
        var rest = whole
        rest.clearNode()
        let listeners = LazyArray("listeners")
        let clusters = LazyArray("clusters")
        let secrets = LazyArray("secrets")
        let held = context.configurator.document?.secrets ?? []
        let resources = (listeners: context.configurator.listeners, clusters: context.configurator.clusters)
        let hasResources = hasResources
        let json = MessageJSON()
        return [
            .once { writer in
                writer.key("bootstrap")
                writer.open("{")
                writer.members(json.text(head, level: writer.level - 1))
                if hasResources {
                    writer.key("static_resources")
                    writer.open("{")
                }
            },
            .each(resources.listeners.count) { writer, i in
                listeners.element(&writer)
                writer.raw(json.text(resources.listeners[i].message, level: writer.level))
            },
            .once { listeners.close(&$0) },
            .each(resources.clusters.count) { writer, i in
                clusters.element(&writer)
                writer.raw(json.text(resources.clusters[i].message, level: writer.level))
            },
            .once { clusters.close(&$0) },
            .each(held.count) { writer, i in
                secrets.element(&writer)
                writer.raw(json.text(held[i], level: writer.level))
            },
            .once { writer in
                secrets.close(&writer)
                if hasResources { writer.close("}") }
                writer.members(json.text(rest, level: writer.level - 1))
                writer.close("}")
            },
        ]
    }
}

/// `google.protobuf.Timestamp` with milliseconds, as dumps show it.
enum TimestampText {
    static func render(_ ns: UInt64) -> String {
        let (year, month, day, hour, minute, second) = CivilTime.of(seconds: Int64(clamping: ns / 1_000_000_000))
        func two(_ n: Int) -> String { n < 10 ? "0\(n)" : "\(n)" }
        let ms = Int(ns / 1_000_000 % 1000)
        let fraction = ms == 0 ? "" : "." + (ms < 10 ? "00" : ms < 100 ? "0" : "") + "\(ms)"
        return "\(year)-\(two(month))-\(two(day))T\(two(hour)):\(two(minute)):\(two(second))\(fraction)Z"
    }
}

/// A second since 1970 as date and time, UTC.
enum CivilTime {
    static func of(seconds: Int64) -> (Int, Int, Int, Int, Int, Int) {
        let days = Int(seconds / 86400)
        let rest = Int(seconds % 86400)
        // Days are counted from 1 March of year 0: the leap day is a year's last.
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, day, rest / 3600, rest / 60 % 60, rest % 60)
    }
}
