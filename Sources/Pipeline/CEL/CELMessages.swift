// Fields of the messages that attributes give: metadata, the node, a locality.

import Primitives

enum CELMessages {
    /// An object without members.
    @safe
    private struct Empty: @unchecked Sendable {  // written once, before any reader: `static let`
        let value: UnsafeMutablePointer<FrozenValue>
    }

    private static let empty: Empty = {
        let empty = unsafe Empty(value: .allocate(capacity: 1))
        unsafe empty.value.initialize(to: FrozenValue(object: FrozenArray()))
        return empty
    }()

    private static func isName(_ field: Bytes, _ name: StaticString) -> Bool { field.equals(Bytes(name)) }

    /// Nil: the message has no such field.
    static func field(_ field: Bytes, of message: CELMessage, _ content: UnsafePointer<FrozenValue>?) -> CELValue? {
        switch message {
        case .metadata:
            if isName(field, "filter_metadata") { return unsafe .frozen(content ?? UnsafePointer(empty.value)) }
            return isName(field, "typed_filter_metadata") ? unsafe .frozen(UnsafePointer(empty.value)) : nil
        case .node, .locality:
            guard let member = unsafe content?.pointee.member(field) else { return nil }
            return unsafe message == .node && isName(field, "locality") ? .message(.locality, member) : CELValue.of(member)
        }
    }

    /// An error for a field that there is none of.
    static func has(_ field: Bytes, in message: CELMessage, _ content: UnsafePointer<FrozenValue>?) -> CELValue {
        switch unsafe self.field(field, of: message, content) {
        case .string(let text): .bool(!text.isEmpty)
        case .frozen(let value): unsafe .bool(!value.pointee.members.isEmpty)
        case .message(_, let content): unsafe .bool(content != nil)
        default: .error
        }
    }
}
