// `envoy.extensions.filters.http.buffer.v3`.

import EnvoyAPI
import Pipeline

/// What one level says.
struct BufferSettings: BitwiseCopyable {
    var isDisabled = false
    /// Bytes of a request that are gathered; more is answered with 413.
    var requestBytesMax = 0
}

enum BufferConfig {
    static func read(_ input: FilterInput) throws(FilterProblems) -> BufferSettings {
        let message = try input.message(Envoy_Extensions_Filters_Http_Buffer_V3_Buffer.self)
        return BufferSettings(requestBytesMax: Int(message.maxRequestBytes.value))
    }

    static func readRoute(_ input: FilterInput) throws(FilterProblems) -> BufferSettings {
        let message = try input.message(Envoy_Extensions_Filters_Http_Buffer_V3_BufferPerRoute.self)
        switch message.override {
        case .buffer(let buffer): return BufferSettings(requestBytesMax: Int(buffer.maxRequestBytes.value))
        case .disabled, .none: return BufferSettings(isDisabled: true)
        }
    }
}
