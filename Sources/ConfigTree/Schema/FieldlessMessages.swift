/// Messages of Envoy's API that have no fields: their name says it all, and needs no generated code.
enum FieldlessMessages {
    static let names = [
        "envoy.extensions.early_data.v3.DefaultEarlyDataPolicy",
        "envoy.extensions.formatter.file_content.v3.FileContent",
        "envoy.extensions.formatter.metadata.v3.Metadata",
        "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery",
        "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig",
        "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig",
        "envoy.extensions.matching.common_inputs.network.v3.DestinationIPInput",
        "envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput",
        "envoy.extensions.matching.common_inputs.network.v3.DirectSourceIPInput",
        "envoy.extensions.matching.common_inputs.network.v3.ServerNameInput",
        "envoy.extensions.matching.common_inputs.network.v3.SourceIPInput",
        "envoy.extensions.matching.common_inputs.network.v3.SourcePortInput",
        "envoy.extensions.matching.common_inputs.ssl.v3.DnsSanInput",
        "envoy.extensions.matching.common_inputs.ssl.v3.SubjectInput",
        "envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput",
        "envoy.extensions.regex_engines.v3.GoogleRE2",
        "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
        "xds.type.matcher.v3.HttpAttributesCelMatchInput",
        leftOut,
    ]

    /// Stands for a message that is not known and need not be.
    static let leftOut = "martlet.LeftOut"

    static var schemas: [MessageSchema] {
        names.map { MessageSchema(name: $0, form: .plain, fields: [], oneofs: [], notYet: [:], byName: [:], byNumber: [:]) }
    }
}
