import CYAML

/// Text → `YAMLDocument`, by libyaml's events. Reads YAML and, with `isJSON`, only that part of YAML that is JSON.
///
/// Keeps its own stack, so that depth costs no stack of the thread. All problems that libyaml can step over are collected;
/// a syntax error ends the document.
struct YAMLReader {
    private struct Open {
        let node: Int
        var mark: Mark
        var isMapping: Bool
        var isIgnoredValue = false
        var key: (text: String, mark: Mark, isIgnored: Bool)?
        var items: [Int] = []
        var pairs: [YAMLNode.Pair] = []
        var keys: [String: Mark] = [:]
        var merges: [Int] = []
    }

    private let file: UInt16
    private let isJSON: Bool
    private var document = YAMLDocument()
    private var problems: [YAMLProblem] = []
    private var stack: [Open] = []
    private var anchors: [String: Int] = [:]
    /// Nodes of the tree below each node, aliases written out; 0 while the node is open.
    private var weights: [Int] = []
    /// Lists and maps below each node, itself included.
    private var heights: [Int] = []
    private var aliased = 0
    private var isDone = false

    static func read(_ bytes: [UInt8], file: UInt16, isJSON: Bool) -> Result<YAMLDocument, YAMLProblems> {
        var reader = YAMLReader(file: file, isJSON: isJSON)
        do {
            try reader.parse(bytes)
        } catch {
            reader.problems.append(error)
        }
        return reader.problems.isEmpty ? .success(reader.document) : .failure(YAMLProblems(reader.problems))
    }

    private init(file: UInt16, isJSON: Bool) {
        self.file = file
        self.isJSON = isJSON
    }

    private mutating func parse(_ bytes: [UInt8]) throws(YAMLProblem) {
        guard bytes.count <= YAMLLimits.bytesMax else {
            throw YAMLProblem(
                mark: Mark(file: file), message: "the file is larger than \(YAMLLimits.bytesMax >> 20) MiB")
        }
        let events = unsafe YAMLEvents(YAMLInput(bytes, isJSON: isJSON))
        while !isDone, problems.count < YAMLLimits.problemsMax {
            let event = unsafe events.next()
            switch event.kind {
            case .failed(let message): throw syntaxProblem(message, mark(event), bytes)
            case .streamEnd: isDone = true
            case .documentStart: if document.root != nil { noteSecondDocument(mark(event)) }
            case .scalar, .alias, .sequenceStart, .mappingStart: try add(event)
            case .end: try close()
            case .other: break
            }
        }
    }

    private func mark(_ event: YAMLEvent) -> Mark {
        Mark(
            file: file, line: UInt32(clamping: event.line).addingReportingOverflow(1).partialValue,
            column: UInt32(clamping: event.column).addingReportingOverflow(1).partialValue)
    }

    private mutating func noteSecondDocument(_ mark: Mark) {
        document.warnings.append(
            YAMLProblem(mark: mark, message: "only the first document of the file is read; what follows '---' is ignored"))
        isDone = true
    }

    // MARK: Nodes

    private mutating func add(_ event: YAMLEvent) throws(YAMLProblem) {
        let mark = mark(event)
        if isJSON, let problem = notJSON(event, mark) { problems.append(problem) }
        if stack.last?.isMapping == true, stack.last?.key == nil {
            try addKey(event, mark)
            return
        }
        switch event.kind {
        case .alias(let name):
            guard let node = anchors[name] else {
                throw YAMLProblem(mark: mark, message: "this alias refers to no anchor above it", suggestion: "put what begins with * in quotes if it is none")
            }
            guard weights[node] > 0 else {
                throw YAMLProblem(mark: mark, message: "this alias stands inside the block that it names")
            }
            guard stack.count + heights[node] <= YAMLLimits.depthMax else { throw tooDeep(mark) }
            try charge(weights[node], mark)
            attach(node)
        case .scalar(let text, let isPlain):
            let node = append(YAMLNode(mark: mark, content: .scalar(text, isPlain: isPlain)), event.anchor)
            weights[node] = 1
            attach(node)
        case .sequenceStart, .mappingStart:
            guard stack.count < YAMLLimits.depthMax else { throw tooDeep(mark) }
            let isMapping = event.kind == .mappingStart
            let node = append(YAMLNode(mark: mark, content: isMapping ? .mapping([]) : .sequence([])), event.anchor)
            stack.append(Open(node: node, mark: mark, isMapping: isMapping))
        default: break
        }
    }

    private mutating func append(_ node: YAMLNode, _ anchor: String?) -> Int {
        document.nodes.append(node)
        weights.append(0)
        heights.append(0)
        let index = document.nodes.count - 1
        if let anchor { anchors[anchor] = index }
        return index
    }

    private mutating func addKey(_ event: YAMLEvent, _ mark: Mark) throws(YAMLProblem) {
        guard case .scalar(let text, let isPlain) = event.kind else {
            throw YAMLProblem(
                mark: mark, message: "a key must be a plain word or a quoted string",
                suggestion: "write the name of a field, a colon and a space")
        }
        let top = stack.count - 1
        // `!ignore` is Envoy's tag for blocks that only hold anchors.
        let isIgnored = event.tag == "!ignore"
        let isMerge = isPlain && text == "<<"
        if !isIgnored, !isMerge {
            if let first = stack[top].keys[text] {
                problems.append(
                    YAMLProblem(
                        mark: mark, message: "duplicate key '\(text)': it is already set in line \(first.line)",
                        suggestion: "remove one of the two"))
            }
            stack[top].keys[text] = mark
        }
        stack[top].key = (isMerge ? "<<" : text, mark, isIgnored)
        stack[top].isIgnoredValue = isMerge && !isIgnored
    }

    /// Hangs a finished node into the block that is open; without one it is the root.
    private mutating func attach(_ node: Int) {
        guard !stack.isEmpty else {
            document.root = node
            return
        }
        let top = stack.count - 1
        guard stack[top].isMapping else {
            stack[top].items.append(node)
            return
        }
        guard let key = stack[top].key else { return }
        stack[top].key = nil
        if key.isIgnored { return }
        if stack[top].isIgnoredValue {
            stack[top].merges.append(node)
        } else {
            stack[top].pairs.append(YAMLNode.Pair(key: key.text, keyMark: key.mark, value: node))
        }
    }

    private mutating func close() throws(YAMLProblem) {
        guard var open = stack.popLast() else { return }
        for merge in open.merges { try self.merge(merge, into: &open) }
        let children = open.isMapping ? open.pairs.map(\.value) : open.items
        document.nodes[open.node].content = open.isMapping ? .mapping(open.pairs) : .sequence(open.items)
        // Saturates: what is too large is refused when an alias asks for it.
        weights[open.node] = children.reduce(1) { min($0 &+ weights[$1], 1 << 40) }
        heights[open.node] = 1 + (children.map { heights[$0] }.max() ?? 0)
        attach(open.node)
    }

    /// `<<: *defaults` or `<<: [*a, *b]`: keys that the block does not have itself.
    private mutating func merge(_ node: Int, into open: inout Open) throws(YAMLProblem) {
        switch document[node].content {
        case .mapping(let pairs):
            try charge(pairs.count, open.mark)
            for pair in pairs where open.keys[pair.key] == nil {
                open.keys[pair.key] = pair.keyMark
                open.pairs.append(pair)
            }
        case .sequence(let nodes):
            for node in nodes {
                guard case .mapping = document[node].content else { throw notMergeable(document[node].mark) }
                try merge(node, into: &open)
            }
        case .scalar: throw notMergeable(document[node].mark)
        }
    }

    private mutating func charge(_ count: Int, _ mark: Mark) throws(YAMLProblem) {
        aliased = aliased &+ count
        guard aliased >= 0, aliased <= YAMLLimits.aliasedNodesMax else {
            throw YAMLProblem(
                mark: mark, message: "aliases and merge keys add more than \(YAMLLimits.aliasedNodesMax) nodes")
        }
    }

    // MARK: Problems

    private func tooDeep(_ mark: Mark) -> YAMLProblem {
        YAMLProblem(mark: mark, message: "more than \(YAMLLimits.depthMax) blocks inside each other")
    }

    private func notMergeable(_ mark: Mark) -> YAMLProblem {
        YAMLProblem(mark: mark, message: "a merge key '<<' takes a map, or a list of maps")
    }

    private func notJSON(_ event: YAMLEvent, _ mark: Mark) -> YAMLProblem? {
        func problem(_ what: String) -> YAMLProblem { YAMLProblem(mark: mark, message: "not JSON: " + what) }
        if event.anchor != nil || event.tag != nil { return problem("anchors and tags are YAML") }
        switch event.kind {
        case .alias: return problem("aliases are YAML")
        case .mappingStart, .sequenceStart: return event.isFlow ? nil : problem("a block without braces is YAML")
        // What stands without quotes may be a secret: it is not repeated.
        case .scalar(let text, isPlain: true):
            if ["true", "false", "null"].contains(text) || NumberText.isJSON(text) { return nil }
            return problem("a word must stand in double quotes")
        case .scalar: return event.isDoubleQuoted ? nil : problem("a string must stand in double quotes")
        default: return nil
        }
    }

    private func syntaxProblem(_ message: String, _ mark: Mark, _ bytes: [UInt8]) -> YAMLProblem {
        let line = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropFirst(
            Int(mark.line) - 1
        ).first
        let indentation = line?.prefix { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") } ?? []
        if let tab = indentation.firstIndex(of: UInt8(ascii: "\t")) {
            let column = UInt32(clamping: tab - indentation.startIndex + 1)
            return YAMLProblem(
                mark: Mark(file: file, line: mark.line, column: column), message: "a tab in the indentation: " + message,
                suggestion: "indent with spaces")
        }
        return YAMLProblem(mark: mark, message: message)
    }
}

struct YAMLProblems: Error {
    let all: [YAMLProblem]

    init(_ all: [YAMLProblem]) { self.all = all }
}
