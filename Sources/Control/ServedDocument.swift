// The bootstrap that is served, but for its listeners and clusters: those are with `LiveListener` and `LiveCluster`.

import EnvoyAPI
import Primitives

package struct ServedDocument {
    private let kept: KeptMessage<Bootstrap>
    private let keptSecrets: KeptMessage<Bootstrap.StaticResources>
    package let node: Envoy_Config_Core_V3_Node
    package let hasStaticResources: Bool
    /// When it was applied, in nanoseconds since 1970.
    package let updatedNs = Clock.wallNs()

    init(_ document: ConfigDocument) {
        node = document.bootstrap.node
        hasStaticResources = document.bootstrap.hasStaticResources
        var bootstrap = document.bootstrap
        var secrets = Bootstrap.StaticResources()
        secrets.secrets = bootstrap.staticResources.secrets
        keptSecrets = KeptMessage(secrets)
        bootstrap.clearStaticResources()
        kept = KeptMessage(bootstrap)
    }
    package var secrets: [TLSSecret] { keptSecrets.message.secrets }
    package var bootstrap: Bootstrap { kept.message }
}
