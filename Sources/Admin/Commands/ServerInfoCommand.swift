// `/server_info`: an `envoy.admin.v3.ServerInfo` with all its fields, defaults too.

import Control
import EnvoyAPI
import Primitives

enum ServerInfoCommand {
    static let command = AdminCommand("/server_info", "print server version/status information") { context, _ in
        let uptime = "\((Clock.monotonicNs() - context.server.startedNs) / 1_000_000_000)s"
        var json = JSONWriter()
        json.object { json in
            json.member("version", context.version)
            json.member("state", context.server.state)
            json.member("uptime_current_epoch", uptime)
            json.member("uptime_all_epochs", uptime)
            json.member("hot_restart_version", "disabled")
            json.object("command_line_options") { json in
                for option in context.options { json.member(option.name, json: option.json) }
            }
            json.object("node") { node(&$0, context) }
            json.member("hot_restart_initializing", false)
        }
        return AdminResponse(json.text + "\n", contentType: AdminResponse.json)
    }

    private static func node(_ json: inout JSONWriter, _ context: AdminContext) {
        let node = context.configurator.document?.node ?? .init()
        json.member("id", node.id)
        json.member("cluster", node.cluster)
        if node.hasMetadata { json.member("metadata", json: MessageJSON().text(node.metadata, level: json.level)) }
        if node.hasLocality {
            json.object("locality") { json in
                json.member("region", node.locality.region)
                json.member("zone", node.locality.zone)
                json.member("sub_zone", node.locality.subZone)
            }
        }
        json.member("user_agent_name", NodeIdentity.userAgent)
        json.object("user_agent_build_version") { NodeIdentity.buildVersion(&$0, context.version, withDefaults: true) }
        json.array("extensions") { json in
            for known in BuiltInExtensions.all(context.configurator) {
                json.element { json in
                    json.member("name", known.name)
                    json.member("category", known.category)
                    json.member("type_descriptor", "")
                    json.member("disabled", false)
                    json.array("type_urls") { json in
                        for type in known.types { json.element(type) }
                    }
                }
            }
        }
        json.array("client_features") { json in
            for feature in node.clientFeatures { json.element(feature) }
        }
        json.array("listening_addresses") { _ in }
        json.object("dynamic_parameters") { _ in }
    }
}

/// What the process says of itself to control planes and in dumps.
enum NodeIdentity {
    /// What it takes configuration as: the name that control planes look for.
    static let userAgent = "envoy"
    /// Metadata of the build version, and which part of `--version` each is.
    static let metadata = [
        ("build.type", 3), ("martlet.version", 1), ("revision.sha", 0), ("revision.status", 2), ("ssl.version", 4),
    ]

    static func buildVersion(_ json: inout JSONWriter, _ version: String, withDefaults: Bool) {
        let parts = version.split(separator: "/").map(String.init)
        json.object("version") { json in
            json.member("major_number", 1)
            json.member("minor_number", 40)
            if withDefaults { json.member("patch", 0) }
        }
        json.object("metadata") { json in
            for (name, index) in metadata { json.member(name, index < parts.count ? parts[index] : "") }
        }
    }
}
