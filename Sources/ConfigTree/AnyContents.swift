extension Google_Protobuf_Any {
    /// The full name of the message, without the URL's host.
    package var messageName: String { String(typeURL.split(separator: "/").last ?? "") }
    package var bytes: [UInt8] { Array(value) }
}
