// `envoy.lb` metadata: of hosts, and what routes ask of it. Values are compared as bytes: one form for each value.

import EnvoyAPI
import Primitives
import Stats
import StatsStore
import Upstream

typealias MetadataValue = Google_Protobuf_Value

enum MetadataBytes {
    static let filter = "envoy.lb"

    /// Equal for equal values, and for no others.
    static func bytes(_ value: MetadataValue) -> [UInt8] {
        switch value.kind {
        case .nullValue, .none: [UInt8(ascii: "0")]
        case .boolValue(let value): [UInt8(ascii: value ? "t" : "f")]
        // -0 is 0.
        case .numberValue(let value): [UInt8(ascii: "n")] + bytes(of: (value == 0 ? 0 : value).bitPattern)
        case .stringValue(let value): [UInt8(ascii: "s")] + counted(Array(value.utf8))
        case .listValue(let list): [UInt8(ascii: "l")] + list.values.flatMap { counted(bytes($0)) }
        case .structValue(let fields):
            [UInt8(ascii: "m")]
                + fields.fields.sorted { $0.key < $1.key }.flatMap { counted(Array($0.key.utf8)) + counted(bytes($0.value)) }
        }
    }

    private static func counted(_ bytes: [UInt8]) -> [UInt8] { self.bytes(of: UInt64(bytes.count)) + bytes }

    private static func bytes(of word: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: word >> (UInt64($0) * 8)) } }

    static func host(_ metadata: Envoy_Config_Core_V3_Metadata) -> SubsetMetadata {
        var result = SubsetMetadata()
        for (name, value) in metadata.filterMetadata[filter]?.fields ?? [:] {
            if case .listValue(let list) = value.kind {
                result.fields[name] = .list(list.values.map { bytes($0) }, whole: bytes(value))
            } else {
                result.fields[name] = .one(bytes(value))
            }
        }
        return result
    }
}

/// `metadata_match` of routes, of weighted clusters and of `tcp_proxy`.
struct MetadataCriteriaCompiler {
    let diagnostics: Diagnostics
    let arena: FrozenArena
    private static let fallbackList = "fallback_list"

    /// Nil: nothing is asked. `over`: what the route asks besides; a name of its own goes first.
    func compile(
        _ message: Envoy_Config_Core_V3_Metadata, over route: Envoy_Config_Core_V3_Metadata? = nil, _ place: Place
    ) -> UnsafePointer<MetadataCriteria>? {
        var fields = route?.filterMetadata[MetadataBytes.filter]?.fields ?? [:]
        fields.merge(message.filterMetadata[MetadataBytes.filter]?.fields ?? [:]) { $1 }
        guard message.filterMetadata[MetadataBytes.filter] != nil || route?.filterMetadata[MetadataBytes.filter] != nil else { return nil }
        if fields.count > MetadataCriteria.pairsMax {
            diagnostics.error(
                place, "'\(MetadataBytes.filter)' has \(fields.count) entries", expected: "at most \(MetadataCriteria.pairsMax)")
            return nil
        }
        var criteria = MetadataCriteria()
        criteria.pairs = pairs(fields)
        if let list = fields.removeValue(forKey: MetadataCriteriaCompiler.fallbackList) {
            criteria.hasFallbackList = true
            criteria.withoutFallbackList = pairs(fields)
            criteria.fallbacks = arena.array(list.listValue.values.map { pairs(fields.merging($0.structValue.fields) { $1 }) })
        }
        return unsafe arena.store(criteria)
    }

    private func pairs(_ fields: [String: MetadataValue]) -> FrozenArray<MetadataPair> {
        arena.array(
            fields.sorted { Array($0.key.utf8).lexicographicallyPrecedes(Array($1.key.utf8)) }.prefix(MetadataCriteria.pairsMax).map {
                MetadataPair(name: arena.text($0.key), value: arena.text(MetadataBytes.bytes($0.value)))
            })
    }
}

/// Metadata as formats show them, before they are frozen: a host's go into every host set that lists it.
struct ShownMetadata {
    /// `tag`: where it is another text than `value`.
    private var entries: [(path: [UInt8], value: [UInt8], isText: Bool, tag: [UInt8]?)] = []
    private let namespaces: [String: Google_Protobuf_Struct]

    init(_ message: Envoy_Config_Core_V3_Metadata) {
        namespaces = message.filterMetadata
        for (namespace, fields) in message.filterMetadata.sorted(by: { $0.key < $1.key }) {
            var value = MetadataValue()
            value.structValue = fields
            add(value, Array(namespace.utf8) + [0])
        }
    }

    private mutating func add(_ value: MetadataValue, _ path: [UInt8]) {
        switch value.kind {
        case .stringValue(let text): entries.append((path, Array(text.utf8), true, nil))
        case .structValue(let fields):
            entries.append((path, Array(ShownMetadata.json(value).utf8), false, nil))
            for (key, below) in fields.fields.sorted(by: { $0.key < $1.key }) { add(below, path + Array(key.utf8) + [0]) }
        // As Envoy shows them: nothing as nothing, and a number with a fraction as a text.
        case .nullValue, .none: break
        // Tags have six digits of it.
        case .numberValue(let number):
            let tag = DoubleText.percentG(number, precision: 6)
            entries.append((path, Array(ShownMetadata.number(number).utf8), Int64(exactly: number) == nil, Array(tag.utf8)))
        default: entries.append((path, Array(ShownMetadata.json(value).utf8), false, nil))
        }
    }

    private static func json(_ value: MetadataValue) -> String {
        switch value.kind {
        case .nullValue, .none: "null"
        case .boolValue(let value): value ? "true" : "false"
        case .numberValue(let number): self.number(number)
        case .stringValue(let text): quoted(text)
        case .listValue(let list): "[" + list.values.map { json($0) }.joined(separator: ",") + "]"
        case .structValue(let fields):
            "{" + fields.fields.sorted { $0.key < $1.key }.map { quoted($0.key) + ":" + json($0.value) }.joined(separator: ",") + "}"
        }
    }

    private static func number(_ number: Double) -> String {
        if let whole = Int64(exactly: number), whole.magnitude < 1 << 53 { return "\(whole)" }
        return "\(number)"
    }

    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            default:
                if scalar.value < 0x20 {
                    let digits = String(scalar.value, radix: 16)
                    out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    out.unicodeScalars.append(scalar)
                }
            }
        }
        return out + "\""
    }

    /// Nil: there are none.
    func frozen(_ arena: FrozenArena) -> FrozenMetadata? {
        guard !entries.isEmpty else { return nil }
        let shown = arena.array(
            entries.map { entry in
                let value = arena.text(entry.value)
                return FrozenMetadata.Entry(
                    path: arena.text(entry.path), value: value, isText: entry.isText, tag: entry.tag.map { arena.text($0) } ?? value)
            })
        let tree = FrozenValues.object(namespaces.mapValues { FrozenValues.object($0.fields.mapValues { FrozenValues.value($0, arena) }, arena) }, arena)
        return unsafe FrozenMetadata(shown, tree: arena.store(tree))
    }
}

/// Values of protobuf's `Struct`, in a part's memory.
enum FrozenValues {
    static func value(_ value: MetadataValue, _ arena: FrozenArena) -> FrozenValue {
        var frozen = FrozenValue()
        switch value.kind {
        case .nullValue, .none: break
        case .boolValue(let bool):
            frozen.kind = .bool
            frozen.number = bool ? 1 : 0
        case .numberValue(let number):
            frozen.kind = .number
            frozen.number = number
        case .stringValue(let text): frozen = FrozenValue(text: arena.text(text))
        case .listValue(let list):
            frozen.kind = .list
            frozen.members = arena.array(list.values.map { FrozenValues.value($0, arena) })
        case .structValue(let fields): frozen = object(fields.fields.mapValues { FrozenValues.value($0, arena) }, arena)
        }
        return frozen
    }

    static func object(_ members: [String: FrozenValue], _ arena: FrozenArena) -> FrozenValue {
        FrozenValue(
            object: arena.array(
                members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { name, value in
                    var member = value
                    member.key = arena.text(name)
                    return member
                }))
    }

    /// What this proxy is called (`node`), without the list of its extensions.
    static func node(_ node: Envoy_Config_Core_V3_Node, _ arena: FrozenArena) -> FrozenValue {
        var members = ["id": FrozenValue(text: arena.text(node.id)), "cluster": FrozenValue(text: arena.text(node.cluster))]
        members["metadata"] = object(node.metadata.fields.mapValues { value($0, arena) }, arena)
        members["locality"] = locality(node.locality, arena)
        return object(members, arena)
    }

    static func locality(_ locality: Envoy_Config_Core_V3_Locality, _ arena: FrozenArena) -> FrozenValue {
        object(
            ["region": locality.region, "zone": locality.zone, "sub_zone": locality.subZone]
                .mapValues { FrozenValue(text: arena.text($0)) }, arena)
    }
}
