/// A parsed YAML or JSON document: nodes in one array, referring to each other by index, each with the place it was written.
///
/// An alias is the index of the node it names, so a document is a graph without cycles (the reader refuses those) whose size
/// as a tree is bounded by `YAMLLimits`.
struct YAMLDocument: Sendable {
    var nodes: [YAMLNode] = []
    /// nil: the document is empty.
    var root: Int?
    /// Accepted, but worth a word.
    var warnings: [YAMLProblem] = []

    subscript(index: Int) -> YAMLNode { nodes[index] }
}

struct YAMLNode: Sendable {
    enum Content: Sendable {
        case scalar(String, isPlain: Bool)
        case sequence([Int])
        case mapping([Pair])
    }

    struct Pair: Sendable {
        let key: String
        let keyMark: Mark
        let value: Int
    }

    let mark: Mark
    var content: Content

    /// A plain scalar that means nothing: `~`, `null`, or no characters at all.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }
}

/// A place in a document, from 1; line 0 is nowhere.
struct Mark: Sendable, Equatable {
    var file: UInt16 = 0
    var line: UInt32 = 0
    var column: UInt32 = 0

    static let nowhere = Mark()
}

struct YAMLProblem: Error, Sendable, Equatable {
    let mark: Mark
    let message: String
    var suggestion: String?
}

/// What hostile input can make the reader do, at most.
enum YAMLLimits {
    static let bytesMax = 64 << 20
    /// Lists and maps inside each other.
    static let depthMax = 100
    /// What aliases and merge keys may add to the nodes that are written out.
    static let aliasedNodesMax = 1_000_000
    /// A reader stops after this many problems of one document.
    static let problemsMax = 100
}
