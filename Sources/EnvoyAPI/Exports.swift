// Whoever imports EnvoyAPI works with the messages: they come along.
@_exported import EnvoyProtos
@_exported import SwiftProtobuf
