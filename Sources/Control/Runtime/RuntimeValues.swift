// `layered_runtime`: static layers, those on disk (`RuntimeDisk`), those of management servers (`DiscoveredRuntime`), and the
// admin layer that `/runtime_modify` fills.
// `RuntimeTable` hands the final values to the workers.

import EnvoyAPI

package struct RuntimeValues {
    /// Names in the order of the bootstrap.
    package private(set) var layers: [String] = []
    private var values: [[String: String]] = []
    private var adminLayer: Int?
    /// Places of those that management servers give, by their names.
    private var discovered: [String: Int] = [:]
    /// What they have given: kept where a layer has no place, too, because another one could not be read.
    private var given: [String: [String: String]] = [:]
    /// A layer with the service cluster's name behind it is there.
    package private(set) var hasOverrideDirectory = false
    /// Why a layer could not be read; the values are not to be used then.
    package private(set) var failure: String?

    package struct Entry {
        package let key: String
        /// One per layer; empty where the layer does not say.
        package let layerValues: [String]
        package let finalValue: String
    }

    package init() {}

    /// `overrides`: values of an admin layer, and of those that management servers give, survive a reload.
    package init(_ bootstrap: Envoy_Config_Bootstrap_V3_Bootstrap, overrides old: RuntimeValues = RuntimeValues()) {
        for layer in bootstrap.layeredRuntime.layers {
            var flat: [String: String] = [:]
            switch layer.layerSpecifier {
            case .staticLayer(let structure): RuntimeValues.flatten(structure, "", &flat)
            case .adminLayer: adminLayer = layers.count
            case .rtdsLayer:
                discovered[layer.name] = layers.count
                given[layer.name] = old.given[layer.name]
                flat = given[layer.name] ?? [:]
            case .diskLayer(let disk):
                guard let found = read(disk, serviceCluster: bootstrap.node.cluster) else { continue }
                flat = found
            case nil: break
            }
            layers.append(layer.name)
            values.append(flat)
        }
        if let adminLayer, let before = old.adminLayer { values[adminLayer] = old.values[before] }
    }

    private mutating func read(
        _ disk: Envoy_Config_Bootstrap_V3_RuntimeLayer.DiskLayer, serviceCluster: String
    ) -> [String: String]? {
        do throws(RuntimeDisk.Failure) {
            let found = try RuntimeDisk.read(RuntimeDisk.path(disk, serviceCluster: serviceCluster))
            if disk.appendServiceCluster, found != nil { hasOverrideDirectory = true }
            return found
        } catch {
            failure = error.message
            return nil
        }
    }

    /// Sorted by key.
    package var entries: [Entry] {
        Set(values.flatMap(\.keys)).sorted().map { key in
            let layerValues = values.map { $0[key] ?? "" }
            return Entry(key: key, layerValues: layerValues, finalValue: layerValues.last { !$0.isEmpty } ?? "")
        }
    }

    package var hasAdminLayer: Bool { adminLayer != nil }
    package var hasOverrides: Bool { adminLayer.map { !values[$0].isEmpty } ?? false }

    /// An empty value takes the override away. False without an admin layer.
    package mutating func modify(_ changes: [(name: String, value: String)]) -> Bool {
        guard let adminLayer else { return false }
        for (name, value) in changes { values[adminLayer][name] = value.isEmpty ? nil : value }
        return true
    }

    /// A management server's layer is this from here on; `found` is what `flat` made. False: it is what it was.
    package mutating func take(_ found: [String: String], of layer: String) -> Bool {
        guard given[layer] != found else { return false }
        given[layer] = found
        if let place = discovered[layer] { values[place] = found }
        return true
    }

    package struct Invalid: Error {
        package let reason: String
    }

    /// Keys with dots and their values; what is no value is an error, in Envoy's words.
    package static func flat(_ structure: Google_Protobuf_Struct) throws(Invalid) -> [String: String] {
        if let key = invalid(structure, "") { throw Invalid(reason: "Invalid runtime entry value for \(key)") }
        var flat: [String: String] = [:]
        flatten(structure, "", &flat)
        return flat
    }

    private static func invalid(_ structure: Google_Protobuf_Struct, _ prefix: String) -> String? {
        for (name, value) in structure.fields.sorted(by: { $0.key < $1.key }) {
            let key = prefix.isEmpty ? name : prefix + "." + name
            switch value.kind {
            case .structValue(let inner): if !isFraction(inner), let found = invalid(inner, key) { return found }
            case .nullValue, .listValue, nil: return key
            case .stringValue, .numberValue, .boolValue: continue
            }
        }
        return nil
    }

    private static func flatten(_ structure: Google_Protobuf_Struct, _ prefix: String, _ out: inout [String: String]) {
        for (name, value) in structure.fields {
            let key = prefix.isEmpty ? name : prefix + "." + name
            switch value.kind {
            case .structValue(let inner):
                if isFraction(inner) { out[key] = fraction(inner) } else { flatten(inner, key, &out) }
            case .stringValue(let text): out[key] = text
            case .numberValue(let number): out[key] = JSONText.number(number)
            case .boolValue(let flag): out[key] = flag ? "true" : "false"
            case .nullValue, .listValue, nil: out[key] = ""
            }
        }
    }

    private static func isFraction(_ structure: Google_Protobuf_Struct) -> Bool { structure.fields["numerator"] != nil }

    private static func fraction(_ structure: Google_Protobuf_Struct) -> String {
        let parts = structure.fields.sorted { $0.key < $1.key }.map { name, value -> String in
            switch value.kind {
            case .stringValue(let text): "\(name): \(text)"
            case .numberValue(let number): "\(name): \(JSONText.number(number))"
            default: name
            }
        }
        return parts.joined(separator: "\n") + "\n"
    }
}
