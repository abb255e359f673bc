// `hedge_policy`. Two of its three fields are in the API and in no code of Envoy 1.40: they are accepted, and said to do
// nothing.

import EnvoyAPI

enum HedgePolicyCompiler {
    static func warn(_ message: HedgePolicy, _ place: Place, _ diagnostics: Diagnostics) {
        if message.hasInitialRequests, message.initialRequests.value != 1 {
            diagnostics.warning(place.at("initial_requests"), "initial_requests has no effect, as in Envoy: a request begins with one attempt")
        }
        if message.hasAdditionalRequestChance {
            diagnostics.warning(place.at("additional_request_chance"), "additional_request_chance has no effect, as in Envoy")
        }
    }
}
