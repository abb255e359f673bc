// What one worker transcodes with: the schema, the tree of paths, and the methods that they lead to.

import EnvoyAPI

struct TranscodedMethod {
    /// `/package.Service/Method`
    let path: String
    let input: Int
    let output: Int
    let clientStreams: Bool
    let serverStreams: Bool
    /// Fields from the request's message to what the body is; none: all of it, as in Envoy also where no `body` is said.
    let bodyPath: [Int]
    /// Fields from the response's message to the `google.api.HttpBody` that it carries.
    let responsePath: [Int]
    /// Place of `google.api.HttpBody` where body or response are one.
    let requestIsRaw: Bool
    let responseIsRaw: Bool

    /// The request's body is a list whose items are messages of a stream.
    var streamsElements: Bool { clientStreams && !requestIsRaw }
    /// Each part of the body that comes is a message.
    var streamsParts: Bool { clientStreams && requestIsRaw }
}

final class TranscoderTables {
    let config: TranscoderConfig
    let schema: ProtoSchema
    let matcher: PathMatcher
    private(set) var methods: [TranscodedMethod] = []
    /// Rules that could not be registered.
    private(set) var faults: [String] = []

    init(_ config: TranscoderConfig) {
        self.config = config
        schema = ProtoSchema(config.files)
        matcher = PathMatcher(unescaping: config.unescaping, splitsUnknownVerbs: config.splitsUnknownVerbs)
        for method in config.methods {
            for rule in method.rules { add(method, rule) }
        }
    }

    private func add(_ method: TranscoderConfig.Method, _ rule: HTTPRule) {
        let name = method.service + "." + method.name
        guard let input = schema.message(named: method.input), let output = schema.message(named: method.output) else {
            faults.append("transcoding_filter: Could not resolve the types of '\(name)' in the proto descriptor")
            return
        }
        var bodyPath: [Int] = []
        var bodyType: Int? = input
        if !rule.body.isEmpty, rule.body != "*" {
            guard let path = resolve(rule.body, input) else {
                faults.append("transcoding_filter: Could not find field \"\(rule.body)\" in the type \"\(schema.messages[input].name)\".")
                return
            }
            bodyPath = path
            bodyType = type(of: path, input)
        }
        var responsePath: [Int] = []
        if !rule.responseBody.isEmpty {
            guard let path = resolve(rule.responseBody, output) else {
                faults.append("transcoding_filter: Could not find field \"\(rule.responseBody)\" in the type \"\(schema.messages[output].name)\".")
                return
            }
            responsePath = path
        }
        let responseType = responsePath.isEmpty ? output : type(of: responsePath, output)
        if !responsePath.isEmpty, !isRaw(responseType) {
            faults.append(
                "transcoding_filter: Cannot register '\(name)': Setting \"response_body\" is not supported yet for non-HttpBody fields: \(name)")
            return
        }
        guard let template = PathTemplate(rule.path), !rule.method.isEmpty, matcher.add(template, method: rule.method, methods.count) else {
            faults.append("transcoding_filter: Cannot register '\(name)' to path matcher")
            return
        }
        methods.append(
            TranscodedMethod(
                path: "/\(method.service)/\(method.name)", input: input, output: output, clientStreams: method.clientStreams,
                serverStreams: method.serverStreams, bodyPath: bodyPath, responsePath: responsePath,
                requestIsRaw: !rule.body.isEmpty && isRaw(bodyType), responseIsRaw: isRaw(responseType)))
    }

    private func isRaw(_ type: Int?) -> Bool { type.map { schema.messages[$0].name == "google.api.HttpBody" } ?? false }

    /// `a.b.c` as places of fields; nil: there is no such field.
    func resolve(_ path: String, _ type: Int) -> [Int]? {
        resolve(path.split(separator: ".", omittingEmptySubsequences: false).map(String.init), type)
    }

    func resolve(_ path: [String], _ type: Int) -> [Int]? {
        var places: [Int] = []
        var type: Int? = type
        for name in path {
            guard let current = type, let place = schema.messages[current].byName[name] else { return nil }
            places.append(place)
            let field = schema.messages[current].fields[place]
            if case .message(let next) = field.kind, !field.isMap { type = next } else { type = nil }
        }
        return places
    }

    /// What is said of a path that names no field.
    func missing(_ path: [String], _ type: Int) -> String {
        var type = type
        for name in path {
            guard let place = schema.messages[type].byName[name] else {
                return "Could not find field \"\(name)\" in the type \"\(schema.messages[type].name)\"."
            }
            guard case .message(let next) = schema.messages[type].fields[place].kind else { break }
            type = next
        }
        return "Could not find field \"\(path.last ?? "")\" in the type \"\(schema.messages[type].name)\"."
    }

    func type(of path: [Int], _ type: Int) -> Int? {
        var type: Int? = type
        for place in path {
            guard let current = type else { return nil }
            if case .message(let next) = schema.messages[current].fields[place].kind { type = next } else { type = nil }
        }
        return type
    }
}
