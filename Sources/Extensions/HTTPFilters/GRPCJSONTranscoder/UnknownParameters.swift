// Query parameters that no field of the request takes, for a server that wants them all the same: an extension of
// `google.api.HttpBody` (`capture_unknown_query_parameters`).

struct UnknownParameters {
    private static let type = "type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.UnknownQueryParams"

    private var entries: [(key: String, values: [String])] = []

    mutating func add(_ key: String, _ value: String) {
        if let place = entries.firstIndex(where: { $0.key == key }) {
            entries[place].values.append(value)
        } else {
            entries.append((key, [value]))
        }
    }

    /// `google.protobuf.Any` of an `UnknownQueryParams`; nil: there are none.
    var packed: [UInt8]? {
        guard !entries.isEmpty else { return nil }
        var message: [UInt8] = []
        for (key, values) in entries {
            var list: [UInt8] = []
            for value in values { ProtoWireWriter.delimited(1, Array(value.utf8), &list) }
            var entry: [UInt8] = []
            ProtoWireWriter.delimited(1, Array(key.utf8), &entry)
            ProtoWireWriter.delimited(2, list, &entry)
            ProtoWireWriter.delimited(1, entry, &message)
        }
        var any: [UInt8] = []
        ProtoWireWriter.delimited(1, Array(UnknownParameters.type.utf8), &any)
        ProtoWireWriter.delimited(2, message, &any)
        return any
    }
}
