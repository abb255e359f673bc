// Loggers, sinks, tracers and other extensions that stand in the configuration by a name and a type of their own.

extension BuiltInExtensions {
    static let others: [BuiltInExtension] = [
        extended("envoy.access_loggers.file", "envoy.access_loggers", "envoy.extensions.access_loggers.file.v3.FileAccessLog"),
        extended(
            "envoy.access_loggers.fluentd", "envoy.access_loggers",
            "envoy.extensions.access_loggers.fluentd.v3.FluentdAccessLogConfig"),
        extended(
            "envoy.access_loggers.http_grpc", "envoy.access_loggers",
            "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"),
        extended(
            "envoy.access_loggers.open_telemetry", "envoy.access_loggers",
            "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig"),
        extended(
            "envoy.access_loggers.stderr", "envoy.access_loggers",
            "envoy.extensions.access_loggers.stream.v3.StderrAccessLog"),
        extended(
            "envoy.access_loggers.stdout", "envoy.access_loggers",
            "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"),
        extended(
            "envoy.access_loggers.tcp_grpc", "envoy.access_loggers",
            "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig"),
        extended(
            "envoy.access_loggers.extension_filters.cel", "envoy.access_loggers.extension_filters",
            "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"),
        extended("envoy.cluster.dns", "envoy.clusters", "envoy.extensions.clusters.dns.v3.DnsCluster"),
        // By `type` alone.
        extended("envoy.cluster.original_dst", "envoy.clusters"),
        extended("envoy.formatter.cel", "envoy.formatter", "envoy.extensions.formatter.cel.v3.Cel"),
        extended("envoy.formatter.file_content", "envoy.formatter", "envoy.extensions.formatter.file_content.v3.FileContent"),
        extended(
            "envoy.formatter.generic_secret", "envoy.formatter", "envoy.extensions.formatter.generic_secret.v3.GenericSecret"),
        extended("envoy.formatter.metadata", "envoy.formatter", "envoy.extensions.formatter.metadata.v3.Metadata"),
        extended(
            "envoy.formatter.req_without_query", "envoy.formatter",
            "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery"),
        extended(
            "envoy.http.original_ip_detection.custom_header", "envoy.http.original_ip_detection",
            "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig"),
        extended(
            "envoy.http.original_ip_detection.xff", "envoy.http.original_ip_detection",
            "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig"),
        extended(
            "envoy.internal_redirect_predicates.allow_listed_routes", "envoy.internal_redirect_predicates",
            "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig"),
        extended(
            "envoy.internal_redirect_predicates.previous_routes", "envoy.internal_redirect_predicates",
            "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig"),
        extended(
            "envoy.internal_redirect_predicates.safe_cross_scheme", "envoy.internal_redirect_predicates",
            "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig"),
        extended(
            "envoy.load_balancing_policies.maglev", "envoy.load_balancing_policies",
            "envoy.extensions.load_balancing_policies.maglev.v3.Maglev"),
        extended(
            "envoy.load_balancing_policies.ring_hash", "envoy.load_balancing_policies",
            "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash"),
        extended(
            "envoy.load_balancing_policies.subset", "envoy.load_balancing_policies",
            "envoy.extensions.load_balancing_policies.subset.v3.Subset"),
        extended(
            "envoy.network.dns_resolver.cares", "envoy.network.dns_resolver",
            "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"),
        extended(
            "envoy.path.match.uri_template.uri_template_matcher", "envoy.path.match",
            "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"),
        extended(
            "envoy.path.rewrite.uri_template.uri_template_rewriter", "envoy.path.rewrite",
            "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig"),
        extended("envoy.request_id.uuid", "envoy.request_id", "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"),
        extended(
            "envoy.retry_host_predicates.previous_hosts", "envoy.retry_host_predicates",
            "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
        extended(
            "envoy.route.early_data_policy.default", "envoy.route.early_data_policy",
            "envoy.extensions.early_data.v3.DefaultEarlyDataPolicy"),
        extended("envoy.stat_sinks.dog_statsd", "envoy.stats_sinks", "envoy.config.metrics.v3.DogStatsdSink"),
        extended(
            "envoy.stat_sinks.graphite_statsd", "envoy.stats_sinks",
            "envoy.extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink"),
        extended("envoy.stat_sinks.hystrix", "envoy.stats_sinks", "envoy.config.metrics.v3.HystrixSink"),
        extended("envoy.stat_sinks.metrics_service", "envoy.stats_sinks", "envoy.config.metrics.v3.MetricsServiceConfig"),
        extended(
            "envoy.stat_sinks.open_telemetry", "envoy.stats_sinks",
            "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig"),
        extended("envoy.stat_sinks.statsd", "envoy.stats_sinks", "envoy.config.metrics.v3.StatsdSink"),
        extended("envoy.tls.cert_validator.default", "envoy.tls.cert_validator"),
        extended("envoy.tls.cert_validator.spiffe", "envoy.tls.cert_validator"),
        extended("envoy.tracers.datadog", "envoy.tracers", "envoy.config.trace.v3.DatadogConfig"),
        extended("envoy.tracers.opentelemetry", "envoy.tracers", "envoy.config.trace.v3.OpenTelemetryConfig"),
        extended("envoy.tracers.skywalking", "envoy.tracers", "envoy.config.trace.v3.SkyWalkingConfig"),
        extended("envoy.tracers.zipkin", "envoy.tracers", "envoy.config.trace.v3.ZipkinConfig"),
        extended(
            "envoy.tracers.opentelemetry.resource_detectors.environment", "envoy.tracers.opentelemetry.resource_detectors",
            "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig"),
        extended(
            "envoy.tracers.opentelemetry.resource_detectors.static_config", "envoy.tracers.opentelemetry.resource_detectors",
            "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig"),
        extended(
            "envoy.tracers.opentelemetry.samplers.always_on", "envoy.tracers.opentelemetry.samplers",
            "envoy.extensions.tracers.opentelemetry.samplers.v3.AlwaysOnSamplerConfig"),
        extended(
            "envoy.tracers.opentelemetry.samplers.cel", "envoy.tracers.opentelemetry.samplers",
            "envoy.extensions.tracers.opentelemetry.samplers.v3.CELSamplerConfig"),
        extended(
            "envoy.tracers.opentelemetry.samplers.parent_based", "envoy.tracers.opentelemetry.samplers",
            "envoy.extensions.tracers.opentelemetry.samplers.v3.ParentBasedSamplerConfig"),
        extended(
            "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based", "envoy.tracers.opentelemetry.samplers",
            "envoy.extensions.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig"),
        extended(
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "envoy.upstream_options",
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
        extended(
            "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions", "envoy.upstream_options",
            "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions"),
        extended("envoy.matching.inputs.cel_data_input", "envoy.matching.http.input", "xds.type.matcher.v3.HttpAttributesCelMatchInput"),
        extended("envoy.matching.matchers.cel_matcher", "envoy.matching.input_matchers", "xds.type.matcher.v3.CelMatcher"),
        extended(
            "envoy.rate_limit_descriptors.expr", "envoy.rate_limit_descriptors",
            "envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor"),
        extended(
            "stat_full_name_match_input", "envoy.matching.stat_matching_data.input",
            "envoy.extensions.matching.common_inputs.stats.v3.StatFullNameMatchInput"),
    ]
}
