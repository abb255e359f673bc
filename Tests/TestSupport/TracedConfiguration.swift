/// A configuration that traces to a `TraceCollector`, for Martlet and for Envoy alike.
package struct TracedConfiguration {
    package var listener: UInt16
    package var admin: UInt16
    package var collector: TraceCollector
    /// Lines of `provider.typed_config`, each indented by nothing.
    package var provider: String
    package var direction = "UNSPECIFIED"
    /// Further fields of `tracing`, in braces' notation: `verbose: true, …`.
    package var tracing = ""
    package var manager = ""
    package var runtime = "tracing.opentelemetry.min_flush_spans: 1, tracing.zipkin.min_flush_spans: 1"

    package init(listener: UInt16, admin: UInt16, collector: TraceCollector, provider: String) {
        self.listener = listener
        self.admin = admin
        self.collector = collector
        self.provider = provider
    }

    package static let openTelemetry = "\"@type\": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig"
    package static let overGRPC = openTelemetry + ", grpc_service: {envoy_grpc: {cluster_name: grpc}, timeout: 5s}, service_name: svc"
    package static let overHTTP =
        openTelemetry + ", http_service: {http_uri: {uri: \"http://coll.test:4318/v1/traces\", cluster: collector, timeout: 5s}}"
    package static func zipkin(_ more: String) -> String {
        "\"@type\": type.googleapis.com/envoy.config.trace.v3.ZipkinConfig, collector_cluster: collector, "
            + "collector_endpoint: \"/api/v2/spans\", \(more)"
    }
    package static let skyWalking =
        "\"@type\": type.googleapis.com/envoy.config.trace.v3.SkyWalkingConfig, grpc_service: {envoy_grpc: {cluster_name: grpc}}"
    package static let datadog =
        "\"@type\": type.googleapis.com/envoy.config.trace.v3.DatadogConfig, collector_cluster: collector, service_name: svc"
    package static func sampler(_ name: String, _ more: String = "") -> String {
        let types = ["always_on": "AlwaysOn", "parent_based": "ParentBased", "trace_id_ratio_based": "TraceIdRatioBased", "cel": "CEL"]
        let type = "type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3.\(types[name] ?? "")SamplerConfig"
        return "{name: envoy.tracers.opentelemetry.samplers.\(name), typed_config: {\"@type\": \(type)\(more.isEmpty ? "" : ", " + more)}}"
    }

    package var yaml: String {
        """
        node: {id: n1, cluster: c1, locality: {zone: z1}}
        admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}
        layered_runtime: {layers: [{name: s, static_layer: {\(runtime)}}]}
        static_resources:
          listeners:
          - address: {socket_address: {address: 127.0.0.1, port_value: \(listener)}}
            traffic_direction: \(direction)
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: h
                  internal_address_config: {cidr_ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}]}
                  \(manager)
                  tracing:
                    provider: {name: tracer, typed_config: {\(provider)}}
                    custom_tags:
                    - {tag: literal, literal: {value: v1}}
                    - {tag: environment, environment: {name: NOT_THERE_AT_ALL, default_value: fallback}}
                    - {tag: missing, environment: {name: NOT_THERE_AT_ALL}}
                    - {tag: header, request_header: {name: x-tag, default_value: none}}
                    - {tag: header2, request_header: {name: x-tag2}}
                    - {tag: meta, metadata: {kind: {route: {}}, metadata_key: {key: com.a, path: [{key: b}]}, default_value: none}}
                    \(metadataTags)
                    - {tag: value, value: "%REQ(:METHOD)%-%RESPONSE_CODE%"}
                    \(tracing)
                  http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
                  route_config:
                    virtual_hosts:
                    - name: v
                      domains: ["*"]
                      routes:
                      - match: {prefix: /direct}
                        direct_response: {status: 204}
                      - match: {prefix: /dead}
                        metadata: {\(TracedConfiguration.metadata)}
                        route: {cluster: dead}
                      - match: {prefix: /nohost}
                        route: {cluster: empty}
                      - match: {prefix: /hedged}
                        route: {cluster: upstream, timeout: 5s, prefix_rewrite: /slow/700, retry_policy: {retry_on: 5xx, per_try_timeout: 0.2s}, hedge_policy: {hedge_on_per_try_timeout: true}}
                      - match: {prefix: /never}
                        route: {cluster: upstream}
                        tracing: {random_sampling: {numerator: 0}, client_sampling: {numerator: 0}}
                      - match: {prefix: /operation}
                        route: {cluster: upstream}
                        decorator: {operation: my-op}
                        tracing: {custom_tags: [{tag: literal, literal: {value: v2}}, {tag: route, literal: {value: r}}]}
                      - match: {prefix: /quiet}
                        route: {cluster: upstream}
                        decorator: {operation: quiet-op, propagate: false}
                      - match: {prefix: /mirror}
                        route: {cluster: upstream, request_mirror_policies: [{cluster: upstream, trace_sampled: true}]}
                      - match: {prefix: /slow}
                        route: {cluster: upstream, timeout: 0.2s}
                      - match: {prefix: /rewritten}
                        route: {cluster: upstream, prefix_rewrite: /status/200, host_rewrite_literal: other.test}
                      - match: {prefix: /}
                        metadata: {filter_metadata: {com.a: {b: {x: [1, true, s]}}, com.m: {text: r, n: -3, part: 2.5, yes: false, list: []}}}
                        route: {cluster: upstream, retry_policy: {retry_on: 5xx, num_retries: 2}}
          clusters:
          - {name: upstream, metadata: {\(TracedConfiguration.metadata)}, alt_stat_name: up_alt, load_assignment: {cluster_name: upstream, endpoints: [{lb_endpoints: [\(endpoint(collector.upstream))]}]}}
          - {name: dead, load_assignment: {cluster_name: dead, endpoints: [{lb_endpoints: [\(endpoint(1))]}]}}
          - {name: empty, metadata: {\(TracedConfiguration.metadata)}, load_assignment: {cluster_name: empty}}
          - {name: collector, load_assignment: {cluster_name: collector, endpoints: [{lb_endpoints: [\(endpoint(collector.http))]}]}}
          - name: grpc
            typed_extension_protocol_options:
              envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                explicit_http_config: {http2_protocol_options: {}}
            load_assignment: {cluster_name: grpc, endpoints: [{lb_endpoints: [\(endpoint(collector.grpc))]}]}
        """
    }

    /// Of each kind, values of each sort.
    private var metadataTags: String {
        ["request", "route", "cluster", "host"].flatMap { kind in
            ["text", "n", "big", "part", "yes", "none", "empty", "list", "deep", "gone"].map { key in
                let path = key == "deep" ? "{key: deep}, {key: k}" : "{key: \"\(key)\"}"
                return "- {tag: \(kind)-\(key), metadata: {kind: {\(kind): {}}, metadata_key: {key: com.m, path: [\(path)]}, default_value: \(key == "n" ? "\"\"" : "d")}}"
            }
        }.joined(separator: "\n            ")
    }

    private static let metadata =
        "filter_metadata: {com.m: {text: \"a b\", n: 7, big: 1234567, part: 0.1, yes: true, none: null, empty: \"\", list: [1, true, s], deep: {k: {z: [15, \"q\"]}}}}"

    private func endpoint(_ port: UInt16) -> String {
        "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}}, metadata: {\(TracedConfiguration.metadata)}}"
    }
}
