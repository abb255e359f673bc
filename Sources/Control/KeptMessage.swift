// A message as main keeps it: in its wire form, a few hundred bytes where the decoded one takes kilobytes.

import EnvoyAPI
import SwiftProtobuf

/// Decoded again for whoever asks, which only dumps do.
struct KeptMessage<Message: SwiftProtobuf.Message> {
    private let wire: [UInt8]

    init(_ message: Message) {
        // Every message here came out of a decoder, so it has its required fields: encoding cannot fail.
        wire = (try? message.serializedBytes()) ?? []
    }

    var message: Message { (try? Message(serializedBytes: wire)) ?? Message() }
    var count: Int { wire.count }
}
