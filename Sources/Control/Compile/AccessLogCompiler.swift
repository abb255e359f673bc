// `access_log`.

import EnvoyAPI
import Pipeline
import Primitives

struct AccessLogCompiler {
    let compilation: Compilation
    let part: PlanPart

    func compile(
        _ messages: [Envoy_Config_Accesslog_V3_AccessLog], _ place: Place
    ) -> FrozenArray<AccessLogConfig> {
        for i in messages.indices {
            compilation.diagnostics.error(place.at("access_log", i), "access logs are not supported by Martlet yet")
        }
        return FrozenArray()
    }
}
