// Query parameter matchers: `query_parameters` of a route match.

import Primitives

struct QueryParameterMatchRecord {
    var name: TextRef
    var value: ValueMatchRecord
}

extension RouteTable {
    // HOT: per message.
    func holds(_ record: QueryParameterMatchRecord, query: Bytes?) -> Bool {
        let value = query.flatMap { QueryParameters.firstValue(of: text(record.name), in: $0) }
        switch record.value.kind {
        case .present: return value != nil
        case .absent: return value == nil
        default: return value.map { holds(record.value, $0) } ?? false
        }
    }
}

package enum QueryParameters {
    // HOT: per message.
    /// The first value of the parameter, as sent: nothing is percent-decoded (Envoy matches the raw text). A parameter
    /// without `=` has the empty value.
    package static func firstValue(of name: Bytes, in query: Bytes) -> Bytes? {
        var start = 0
        while start < query.count {
            let end = query.firstIndex(of: UInt8(ascii: "&"), from: start) ?? query.count
            let parameter = query.part(start, end)
            let equals = parameter.firstIndex(of: UInt8(ascii: "="))
            if parameter.prefix(equals ?? parameter.count).equals(name) {
                return equals.map { parameter.from($0 &+ 1) } ?? .empty
            }
            start = end &+ 1
        }
        return nil
    }
}
