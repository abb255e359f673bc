/// The reading of one configuration from one or more inputs: trees are laid over each other, the result is checked once.
struct Reading {
    private let schema = Schema.shared
    private let type: Int?
    private let typeName: String
    private let files: [String]
    private var tree: TreeMessage?
    private var problems: [ConfigError] = []

    init(_ typeName: String, files: [String]) {
        self.typeName = typeName
        self.files = files
        type = schema.index(typeName)
    }

    mutating func lay(_ input: ConfigReader.Input, _ file: UInt16) {
        guard let type else {
            problems.append(ConfigError(file: input.name, message: "\(typeName) is not a configuration message of Martlet"))
            return
        }
        let read: TreeMessage?
        switch input.format {
        case .yaml, .json: read = text(input, file, type)
        case .binary: read = binary(input, type)
        case .text:
            problems.append(
                ConfigError(
                    file: input.name, message: "protobuf's text format is not supported by Martlet yet",
                    suggestion: "write the configuration in YAML or JSON"))
            return
        }
        guard let read else { return }
        tree = tree.map { schema.merged($0, read) } ?? read
    }

    /// The tree and its wire format; throws when anything is wrong.
    func finish() throws(ConfigErrors) -> (tree: TreeMessage, bytes: [UInt8], warnings: [ConfigError]) {
        var problems = problems
        if let tree {
            var check = TreeCheck(schema, files: files)
            check.message(tree)
            problems += check.problems
        }
        let sorted = sorted(problems)
        guard let tree, !problems.contains(where: { $0.severity == .error }) else { throw ConfigErrors(sorted) }
        return (tree, schema.encoded(tree), sorted)
    }

    // MARK: Formats

    private mutating func text(_ input: ConfigReader.Input, _ file: UInt16, _ type: Int) -> TreeMessage? {
        let isJSON = input.format == .json
        switch YAMLReader.read(input.bytes, file: file, isJSON: isJSON) {
        case .failure(let found):
            problems += found.all.map { problem($0, .error, input.name) }
            return nil
        case .success(let document):
            problems += document.warnings.map { problem($0, .warning, input.name) }
            guard let root = document.root, isContainer(document, root) else {
                problems.append(noMap(document, input.name, file))
                return nil
            }
            var reader = TreeReader(schema, document, files: files, isJSON: isJSON)
            reader.unknownFields = input.unknownFields
            let tree = reader.message(root, type)
            problems += reader.problems
            return tree
        }
    }

    private mutating func binary(_ input: ConfigReader.Input, _ type: Int) -> TreeMessage? {
        var decoder = TreeDecoder(schema)
        do {
            let tree = try decoder.message(type, input.bytes)
            for (message, number) in decoder.unknown.prefix(ProblemLimits.problemsMax) { problems.append(unknown(message, number, input)) }
            var unwrapping = TypedStructUnwrapping(schema, file: input.name, unknownFields: input.unknownFields)
            let unwrapped = unwrapping.message(tree)
            problems += unwrapping.problems
            return unwrapped
        } catch {
            problems.append(ConfigError(file: input.name, message: ConfigReader.notBinary(typeName)))
            return nil
        }
    }

    private func unknown(_ message: Int, _ number: Int, _ input: ConfigReader.Input) -> ConfigError {
        let known = schema.messages[message]
        var error = ConfigError(
            file: input.name, severity: input.unknownFields,
            message: "no such field: number \(number) in \(known.name)")
        if let name = known.notYet.first(where: { $0.value.number == number })?.key {
            error.message = "'\(name)' of \(known.name) is not supported by Martlet yet"
            // Known to Envoy, so it would act on it: to go on without is to do something else.
            error.severity = .error
        }
        return error
    }

    private func isContainer(_ document: YAMLDocument, _ root: Int) -> Bool {
        if case .scalar = document[root].content { false } else { true }
    }

    private func noMap(_ document: YAMLDocument, _ name: String, _ file: UInt16) -> ConfigError {
        var mark = Mark(file: file, line: 1, column: 1)
        var found = "an empty document"
        if let root = document.root, case .scalar(let text, _) = document[root].content, !document[root].isNull {
            mark = document[root].mark
            found = "'\(text.prefix(60))'"
        }
        let problem = YAMLProblem(mark: mark, message: "Unable to convert YAML as JSON: there is no map of fields")
        var error = self.problem(problem, .error, name)
        error.found = found
        error.expected = "the fields of \(typeName)"
        return error
    }

    private func problem(_ problem: YAMLProblem, _ severity: ConfigError.Severity, _ file: String) -> ConfigError {
        ConfigError(
            file: file, line: Int(problem.mark.line), column: Int(problem.mark.column), severity: severity,
            message: problem.message, suggestion: problem.suggestion)
    }

    /// By file, line and column; what stands in one place stays in the order in which it was found.
    private func sorted(_ problems: [ConfigError]) -> [ConfigError] {
        let order = Dictionary(files.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        return problems.enumerated().sorted { a, b in
            let left = (order[a.element.file] ?? 0, a.element.line, a.element.column, a.offset)
            let right = (order[b.element.file] ?? 0, b.element.line, b.element.column, b.offset)
            return left < right
        }.map(\.element)
    }
}
