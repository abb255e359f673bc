/// Every message and enum that the reader knows, in a compact form: what `Protos/` says, parsed once from the descriptor set
/// that `generate.sh` embeds. Immutable; messages and enums refer to each other by index.
final class Schema: Sendable {
    let messages: [MessageSchema]
    let enums: [EnumSchema]
    private let indices: [String: Int]

    init(messages: [MessageSchema], enums: [EnumSchema]) {
        self.messages = messages
        self.enums = enums
        indices = Dictionary(messages.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func index(_ name: some StringProtocol) -> Int? { indices[String(name)] }

    func message(_ name: String) -> MessageSchema? { indices[name].map { messages[$0] } }
}

struct NotYet: Sendable {
    enum Kind: Sendable { case bool, list, other }
    /// 0 when the field is newer than the public descriptors.
    let number: Int
    let kind: Kind
}

struct MessageSchema: Sendable {
    /// Full name, without a leading dot: `envoy.config.cluster.v3.Cluster`.
    let name: String
    let form: MessageForm
    let fields: [FieldSchema]
    let oneofs: [OneofSchema]
    /// Fields that Envoy has and Martlet does not serve yet.
    let notYet: [String: NotYet]
    /// By Envoy's name and by JSON's camelCase name.
    let byName: [String: Int]
    let byNumber: [Int: Int]
    /// Fields whose absence may break a rule: outside of a oneof, and with rules at all.
    let checkedWhenAbsent: [Int]

    /// It holds a secret or says where one comes from: a text in its place may be that secret.
    var isAboutSecrets: Bool { name.hasSuffix(".SdsSecretConfig") || fields.contains { $0.isSecret } }

    init(
        name: String, form: MessageForm, fields: [FieldSchema], oneofs: [OneofSchema], notYet: [String: NotYet],
        byName: [String: Int], byNumber: [Int: Int]
    ) {
        self.name = name
        self.form = form
        self.fields = fields
        self.oneofs = oneofs
        self.notYet = notYet
        self.byName = byName
        self.byNumber = byNumber
        checkedWhenAbsent = fields.indices.filter { fields[$0].rules.areGiven && fields[$0].oneof == nil }
    }

    /// The last component: `Cluster`.
    var shortName: Substring { name.split(separator: ".").last ?? "" }

    func field(_ name: String) -> FieldSchema? { byName[name].map { fields[$0] } }
}

/// Messages that JSON writes in a way of its own.
enum MessageForm: Sendable {
    case plain, mapEntry, any, duration, structure, value, listValue, wrapper, typedStruct
}

struct FieldSchema: Sendable {
    let name: String
    let jsonName: String
    let number: Int
    let kind: FieldKind
    let isRepeated: Bool
    let isMap: Bool
    let isDeprecated: Bool
    let isSecret: Bool
    let oneof: Int?
    let rules: Rules

    var messageIndex: Int? {
        if case .message(let index) = kind { index } else { nil }
    }
}

enum FieldKind: Sendable, Equatable {
    case bool, int32, int64, uint32, uint64, float, double, string, bytes
    case message(Int)
    case enumeration(Int)
}

struct OneofSchema: Sendable {
    let name: String
    let isRequired: Bool
    var fields: [Int]
}

struct EnumSchema: Sendable {
    let name: String
    let values: [(name: String, number: Int32)]

    /// Envoy reads enum names without regard to case.
    func number(_ name: String) -> Int32? {
        let wanted = name.uppercased()
        return values.first { $0.name == name }?.number ?? values.first { $0.name.uppercased() == wanted }?.number
    }

    func name(_ number: Int32) -> String? { values.first { $0.number == number }?.name }
}
