// Whoever reads messages works with them.
@_exported import SwiftProtobuf
