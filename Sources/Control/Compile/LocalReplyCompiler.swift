// `local_reply_config`.

import EnvoyAPI
import Pipeline
import Primitives

typealias LocalReplyMessage = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_LocalReplyConfig
typealias ResponseMapperMessage = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_ResponseMapper

struct LocalReplyCompiler {
    let compilation: Compilation
    let part: PlanPart
    private var diagnostics: Diagnostics { compilation.diagnostics }

    /// Nil where nothing is configured.
    func compile(_ message: LocalReplyMessage, _ place: Place) -> UnsafePointer<LocalReplyConfig>? {
        guard !message.mappers.isEmpty || message.hasBodyFormat else { return nil }
        var config = LocalReplyConfig()
        config.mappers = part.arena.array(
            message.mappers.enumerated().map { i, mapper in self.mapper(mapper, place.at("mappers", i)) })
        if message.hasBodyFormat { config.body = body(message.bodyFormat, place.at("body_format")) }
        return unsafe part.arena.store(config)
    }

    private func mapper(_ message: ResponseMapperMessage, _ place: Place) -> LocalReplyMapper {
        var mapper = LocalReplyMapper()
        mapper.filter = AccessLogFilterCompiler(compilation: compilation, part: part)
            .compile(message.filter, place.at("filter"))
        if message.hasStatusCode { mapper.status = UInt16(clamping: message.statusCode.value) }
        if message.hasBody {
            mapper.hasBody = true
            mapper.text = part.arena.text(DataSources.read(message.body, place.at("body"), part, diagnostics) ?? [])
        }
        if message.hasBodyFormatOverride {
            mapper.body = body(message.bodyFormatOverride, place.at("body_format_override"))
        }
        mapper.headers = HeaderMutationCompiler(compilation: compilation, part: part)
            .additions(message.headersToAdd, place, field: "headers_to_add")
        return mapper
    }

    func body(_ message: SubstitutionFormatMessage, _ place: Place) -> LocalReplyBody? {
        guard let format = SubstitutionFormatCompiler(part: part, diagnostics: diagnostics).compile(message, place)
        else { return nil }
        var body = LocalReplyBody(format.body)
        body.missing = format.missing
        var contentType = "text/plain"
        if case .json = format.body { contentType = "application/json" }
        if !format.contentType.isEmpty { contentType = format.contentType }
        body.setsContentType = contentType != "text/plain" || !format.contentType.isEmpty
        body.contentType = part.arena.text(contentType)
        return body
    }
}
