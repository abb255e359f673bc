/// Keys that stand in a text which is no secret by its field.
package enum PrivateKeys {
    private static let label = Array("PRIVATE KEY-----".utf8)

    /// Whatever kind of key, in PEM form (RFC 7468 §10, §11).
    package static func areIn(_ bytes: some Collection<UInt8>) -> Bool {
        var matched = 0
        for byte in bytes {
            // The label's first byte is nowhere else in it: what does not go on may begin anew, and nothing is looked at twice.
            matched = byte == label[matched] ? matched + 1 : byte == label[0] ? 1 : 0
            if matched == label.count { return true }
        }
        return false
    }
}
