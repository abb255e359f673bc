// What OpenTelemetry's payloads say of the process that sends them: `resource_detectors`, and how a resource is encoded.

import EnvoyAPI
import Glibc
import Pipeline
import Primitives

private typealias EnvironmentDetector =
    Envoy_Extensions_Tracers_Opentelemetry_ResourceDetectors_V3_EnvironmentResourceDetectorConfig
private typealias StaticDetector =
    Envoy_Extensions_Tracers_Opentelemetry_ResourceDetectors_V3_StaticConfigResourceDetectorConfig

/// Attributes in order; a name that is there already keeps its place.
struct ResourceAttributes {
    private(set) var list: [(key: String, value: String)] = []

    init(_ list: [(key: String, value: String)] = []) { self.list = list }

    mutating func set(_ key: String, _ value: String) {
        if let at = list.firstIndex(where: { $0.key == key }) {
            list[at].value = value
        } else {
            list.append((key, value))
        }
    }
}

struct ResourceCompiler {
    let compilation: Compilation

    func ofTracer(_ message: OpenTelemetryConfig, _ place: Place) -> [(key: String, value: String)] {
        sdk(
            serviceName: message.serviceName, message.resourceDetectors, place,
            tellsSDK: message.hasSetTelemetrySdkResourceAttributes ? message.setTelemetrySdkResourceAttributes.value : true,
            tellsService: message.hasSetServiceNameResourceAttribute ? message.setServiceNameResourceAttribute.value : true)
    }

    /// The SDK that speaks, the service, and what detectors find, which goes before both (Envoy).
    func sdk(
        serviceName: String, _ detectors: [Envoy_Config_Core_V3_TypedExtensionConfig], _ place: Place, tellsSDK: Bool = true,
        tellsService: Bool = true
    ) -> [(key: String, value: String)] {
        var attributes = ResourceAttributes()
        if tellsSDK {
            attributes.set("telemetry.sdk.name", "envoy")
            attributes.set("telemetry.sdk.language", "swift")
            attributes.set("telemetry.sdk.version", compilation.environment.version)
        }
        if tellsService { attributes.set("service.name", serviceName.isEmpty ? "unknown_service:envoy" : serviceName) }
        for (key, value) in detected(detectors, place) { attributes.set(key, value) }
        return attributes.list
    }

    func detected(
        _ detectors: [Envoy_Config_Core_V3_TypedExtensionConfig], _ place: Place
    ) -> [(String, String)] {
        detectors.enumerated().flatMap { i, detector in detected(detector, place.at("resource_detectors", i)) }
    }

    private func detected(_ message: Envoy_Config_Core_V3_TypedExtensionConfig, _ place: Place) -> [(String, String)] {
        let any = message.typedConfig
        switch any.messageName {
        case EnvironmentDetector.protoMessageName: return environment()
        case StaticDetector.protoMessageName:
            guard let detector = try? StaticDetector(serializedBytes: any.bytes) else { return [] }
            return detector.attributes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        default:
            compilation.diagnostics.error(
                place, "Resource detector factory not found: '\(message.name)'",
                found: "'\(any.messageName)'", expected: "the environment or the static_config resource detector")
            return []
        }
    }

    /// `OTEL_RESOURCE_ATTRIBUTES`: `key=value,key=value`.
    private func environment() -> [(String, String)] {
        let text = unsafe getenv("OTEL_RESOURCE_ATTRIBUTES").map { unsafe String(cString: $0) } ?? ""
        return text.split(separator: ",").compactMap { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
        }
    }
}

enum OTLPResource {
    /// Field `resource` of what a request holds.
    static func encoded(_ attributes: [(key: String, value: String)]) -> [UInt8] {
        wrapped { inner in
            for (key, value) in attributes {
                Array(key.utf8).withBytes { key in
                    Array(value.utf8).withBytes { value in OTLP.put(attribute: key, value, number: 1, &inner) }
                }
            }
        }
    }

    /// Field `scope`.
    static func scope(name: String, version: String) -> [UInt8] {
        wrapped { inner in
            Array(name.utf8).withBytes { inner.put(field: 1, $0) }
            Array(version.utf8).withBytes { inner.put(field: 2, $0) }
        }
    }

    /// A message as field 1.
    static func wrapped(_ write: (inout TextBuffer) -> Void) -> [UInt8] {
        let pool = BlockPool()
        var inner = TextBuffer(pool: pool)
        var outer = TextBuffer(pool: pool)
        defer {
            inner.destroy()
            outer.destroy()
        }
        write(&inner)
        outer.put(field: 1, inner.bytes)
        return (0..<outer.count).map { outer.bytes[$0] }
    }
}
