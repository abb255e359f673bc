import SwiftProtobuf

/// Whether both are the same on the wire. What has no wire format (an `Any` of JSON that is of no known type) is never the same.
@inline(never)
func isSameMessage<M: Message>(_ left: M, _ right: M) -> Bool {
    func bytes(_ message: M) -> [UInt8]? {
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        return try? message.serializedBytes(partial: true, options: options)
    }
    guard let left = bytes(left), let right = bytes(right) else { return false }
    return left == right
}
