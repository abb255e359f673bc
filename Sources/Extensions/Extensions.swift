// What this build has beyond the engine itself. One line each; `martlet` hands the list to Control.

import Pipeline

/// The HTTP filters beside the router.
package enum HTTPFilters {
    package static var all: [FilterExtension] {
        [
            BufferFactory.filterExtension,
            CorsFactory.filterExtension,
            GRPCHTTP1BridgeFactory.filterExtension,
            GRPCStatsFactory.filterExtension,
            GRPCWebFactory.filterExtension,
            HeaderMutationFactory.filterExtension,
            TranscoderFactory.filterExtension,
            HealthCheckFactory.filterExtension,
            LocalRateLimitFactory.filterExtension,
        ]
    }
}
