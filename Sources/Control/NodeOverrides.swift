// `--service-node`, `--service-cluster`, `--service-zone`: laid over the bootstrap's node.

import EnvoyAPI

package struct NodeOverrides {
    package var id = ""
    package var cluster = ""
    package var zone = ""

    package init() {}

    func applied(to document: ConfigDocument) -> ConfigDocument {
        if id.isEmpty && cluster.isEmpty && zone.isEmpty { return document }
        var bootstrap = document.bootstrap
        if !id.isEmpty { bootstrap.node.id = id }
        if !cluster.isEmpty { bootstrap.node.cluster = cluster }
        if !zone.isEmpty { bootstrap.node.locality.zone = zone }
        return document.with(bootstrap)
    }
}
