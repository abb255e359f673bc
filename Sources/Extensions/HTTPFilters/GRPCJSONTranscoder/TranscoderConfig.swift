// `envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder`, read by main: descriptors and rules, all
// mistakes at once. What workers run on (`TranscoderTables`) is made of it once per worker.

import EnvoyAPI
import Pipeline

struct TranscoderConfig {
    struct Method {
        let service: String
        let name: String
        let rules: [HTTPRule]
        let input: String
        let output: String
        let clientStreams: Bool
        let serverStreams: Bool
    }

    var files: [Google_Protobuf_FileDescriptorProto] = []
    var methods: [Method] = []
    var printing = ProtoPrintOptions()
    var isNewlineDelimited = false
    var isEventStream = false
    var keepsRoute = false
    var ignoredParameters: Set<String> = []
    var ignoresUnknownParameters = false
    /// `capture_unknown_query_parameters`: what no field takes goes into the extensions of a raw body.
    var capturesUnknownParameters = false
    var convertsStatus = false
    var unescaping = PathMatcher.Unescaping.exceptReserved
    var plusIsSpace = false
    var splitsUnknownVerbs = false
    var ignoresEnumCase = false
    var rejectsUnknownMethods = false
    var rejectsUnknownParameters = false
    var rejectsCollisions = false
    /// Bytes; nil: the buffer limit.
    var requestBytesMax: Int?
    var responseBytesMax: Int?

    /// Of a descriptor set.
    private static let descriptorBytesMax = 64 << 20

    private typealias Message = Envoy_Extensions_Filters_Http_GrpcJsonTranscoder_V3_GrpcJsonTranscoder

    static func read(_ input: FilterInput) throws(FilterProblems) -> TranscoderConfig {
        let message = try input.message(Message.self)
        var config = TranscoderConfig()
        config.options(message)
        let problems = Problems()
        config.descriptors(message, problems)
        try problems.check()
        return config
    }

    private mutating func options(_ message: Message) {
        let print = message.printOptions
        printing = ProtoPrintOptions(
            addsWhitespace: print.addWhitespace, printsDefaults: print.alwaysPrintPrimitiveFields,
            printsEnumsAsNumbers: print.alwaysPrintEnumsAsInts, keepsProtoNames: print.preserveProtoFieldNames)
        isNewlineDelimited = print.streamNewlineDelimited
        isEventStream = print.streamSseStyleDelimited
        keepsRoute = message.matchIncomingRequestRoute
        ignoredParameters = Set(message.ignoredQueryParameters)
        ignoresUnknownParameters = message.ignoreUnknownQueryParameters
        capturesUnknownParameters = message.captureUnknownQueryParameters
        convertsStatus = message.convertGrpcStatus
        unescaping = switch message.urlUnescapeSpec {
        case .allCharactersExceptSlash: .exceptSlash
        case .allCharacters: .all
        default: .exceptReserved
        }
        plusIsSpace = message.queryParamUnescapePlus
        splitsUnknownVerbs = message.matchUnregisteredCustomVerb
        ignoresEnumCase = message.caseInsensitiveEnumParsing
        let validation = message.requestValidationOptions
        rejectsUnknownMethods = validation.rejectUnknownMethod
        rejectsUnknownParameters = validation.rejectUnknownQueryParameters
        rejectsCollisions = validation.rejectBindingBodyFieldCollisions
        if message.hasMaxRequestBodySize { requestBytesMax = Int(message.maxRequestBodySize.value) }
        if message.hasMaxResponseBodySize { responseBytesMax = Int(message.maxResponseBodySize.value) }
    }

    private mutating func descriptors(_ message: Message, _ problems: Problems) {
        let bytes: [UInt8]
        let place: String
        switch message.descriptorSet {
        case .protoDescriptor(let path):
            place = "proto_descriptor"
            guard let content = try? FileBytes.read(path, limit: TranscoderConfig.descriptorBytesMax) else {
                return problems.add(place, "transcoding_filter: Unable to parse proto descriptor", found: "\(path), which cannot be read")
            }
            bytes = content
        case .protoDescriptorBin(let content):
            place = "proto_descriptor_bin"
            bytes = Array(content)
        case .none: return
        }
        guard let set = try? Google_Protobuf_FileDescriptorSet(serializedBytes: bytes) else {
            return problems.add(
                place, "transcoding_filter: Unable to parse proto descriptor", expected: "a FileDescriptorSet, as protoc --descriptor_set_out --include_imports writes it")
        }
        files = set.file + TranscoderBuiltins.files
        for (number, name) in message.services.enumerated() {
            guard let service = find(name, set.file) else {
                problems.add(
                    "services[\(number)]", "transcoding_filter: Could not find '\(name)' in the proto descriptor", found: name,
                    expected: "a service of the descriptor set")
                continue
            }
            for method in service.method { add(method, name, message.autoMapping) }
        }
        check(problems)
    }

    private func find(_ name: String, _ files: [Google_Protobuf_FileDescriptorProto]) -> Google_Protobuf_ServiceDescriptorProto? {
        for file in files {
            for service in file.service where ProtoSchema.join(file.package, service.name) == name { return service }
        }
        return nil
    }

    private mutating func add(_ method: Google_Protobuf_MethodDescriptorProto, _ service: String, _ mapsAll: Bool) {
        var rules: [HTTPRule] = []
        if let rule = HTTPRule(method.options) { rules = [rule] + rule.additional }
        if mapsAll, rules.isEmpty { rules.append(HTTPRule(method: "POST", path: "/\(service)/\(method.name)", body: "*")) }
        guard !rules.isEmpty else { return }
        methods.append(
            Method(
                service: service, name: method.name, rules: rules, input: method.inputType, output: method.outputType,
                clientStreams: method.clientStreaming, serverStreams: method.serverStreaming))
    }

    /// Every rule can be registered.
    private func check(_ problems: Problems) {
        let tables = TranscoderTables(self)
        for fault in tables.faults { problems.add("services", fault) }
    }
}

/// Messages that answers are made of, whether the descriptor set has them or not.
enum TranscoderBuiltins {
    static var files: [Google_Protobuf_FileDescriptorProto] {
        func field(_ name: String, _ number: Int32, _ type: Google_Protobuf_FieldDescriptorProto.TypeEnum, _ typeName: String = "", isRepeated: Bool = false)
            -> Google_Protobuf_FieldDescriptorProto
        {
            var field = Google_Protobuf_FieldDescriptorProto()
            field.name = name
            field.number = number
            field.type = type
            field.label = isRepeated ? .repeated : .optional
            if !typeName.isEmpty { field.typeName = typeName }
            return field
        }
        func file(_ package: String, _ name: String, _ fields: [Google_Protobuf_FieldDescriptorProto]) -> Google_Protobuf_FileDescriptorProto {
            var message = Google_Protobuf_DescriptorProto()
            message.name = name
            message.field = fields
            var file = Google_Protobuf_FileDescriptorProto()
            file.package = package
            file.syntax = "proto3"
            file.messageType = [message]
            return file
        }
        return [
            file("google.protobuf", "Any", [field("type_url", 1, .string), field("value", 2, .bytes)]),
            file(
                "google.rpc", "Status",
                [field("code", 1, .int32), field("message", 2, .string), field("details", 3, .message, ".google.protobuf.Any", isRepeated: true)]),
        ]
    }
}
