// `local_reply_config`.

import EnvoyAPI
import Pipeline

struct LocalReplyCompiler {
    let compilation: Compilation
    let part: PlanPart

    func compile(
        _ message: Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_LocalReplyConfig, _ place: Place
    ) -> UnsafePointer<LocalReplyConfig>? {
        if !message.mappers.isEmpty || message.hasBodyFormat {
            compilation.diagnostics.error(place, "local_reply_config is not supported by Martlet yet")
        }
        return nil
    }
}
