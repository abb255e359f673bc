/// A message as a tree: what the reader makes of YAML, JSON and binary input alike, with the place of every value. Merging,
/// checking and printing work on it; `encoded` turns it into protobuf's wire format.
struct TreeMessage: Sendable {
    /// Index in the schema.
    let type: Int
    var mark: Mark
    var fields: [TreeField] = []
    /// A field was refused: whether something required is missing cannot be said.
    var isIncomplete = false

    func value(_ field: Int) -> TreeValue? { fields.first { $0.field == field }?.value }

    func index(_ field: Int) -> Int? { fields.firstIndex { $0.field == field } }
}

struct TreeField: Sendable {
    /// Index in the message's schema.
    let field: Int
    var keyMark: Mark
    var mark: Mark
    var value: TreeValue
}

indirect enum TreeValue: Sendable {
    /// Booleans, integers and enums, sign-extended.
    case bits(UInt64)
    /// `double` and `float`.
    case number(Double)
    case text(String)
    case bytes([UInt8])
    case message(TreeMessage)
    case any(TreeAny)
    case list([TreeElement])
    case map([TreeEntry])
}

extension TreeValue {
    /// proto3 cannot tell this value from none: not written, not printed, and merging it changes nothing. A member of a oneof
    /// is there whatever its value.
    func isDefault(of field: FieldSchema) -> Bool {
        switch self {
        case .list(let elements): return elements.isEmpty
        case .map(let entries): return entries.isEmpty
        case .bits(let bits): return field.oneof == nil && bits == 0
        case .number(let number): return field.oneof == nil && number == 0 && number.sign == .plus
        case .text(let text): return field.oneof == nil && text.isEmpty
        case .bytes(let bytes): return field.oneof == nil && bytes.isEmpty
        case .message, .any: return false
        }
    }
}

struct TreeElement: Sendable {
    var mark: Mark
    var value: TreeValue
}

struct TreeEntry: Sendable {
    var keyMark: Mark
    /// All maps of Envoy's API have strings for keys.
    var key: String
    var mark: Mark
    var value: TreeValue
}

/// `google.protobuf.Any`.
struct TreeAny: Sendable {
    var mark: Mark
    var url: String
    /// What it holds, when the schema knows the type; otherwise its bytes.
    var content: Content

    enum Content: Sendable {
        case message(TreeMessage)
        case opaque([UInt8])
    }
}
