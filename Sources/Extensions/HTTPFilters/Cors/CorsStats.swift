import Stats

/// `http.<stat_prefix>.cors.`
enum CorsStat: UInt32, StatLeaf {
    case originInvalid, originValid

    static let schema = StatSchema(CorsStat.self, writers: .workers)

    var descriptor: StatDescriptor {
        switch self {
        case .originInvalid: .counter("origin_invalid")
        case .originValid: .counter("origin_valid")
        }
    }
}
