"""The bootstrap that Envoy and Martlet are both given: the same file, byte for byte but for ports.

Defaults stay on (request ids, dynamic statistics, x-envoy-* headers): the comparison is of what a
user gets. Only the circuit breakers are lifted, because their low defaults would queue requests.
`lean` switches off what Envoy's own benchmarking advice switches off.
"""

import os

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_FILE_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
_ALS = "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"
_OTEL_LOG = "type.googleapis.com/envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig"
_FLUENTD = "type.googleapis.com/envoy.extensions.access_loggers.fluentd.v3.FluentdAccessLogConfig"
_OTEL = "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
_HTTP = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_LIMIT = 1000000000

LOG_FIELDS = {
    "start_time": "%START_TIME%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(:PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration_ms": "%DURATION%",
    "upstream": "%UPSTREAM_HOST%",
    "user_agent": "%REQ(USER-AGENT)%",
    "authority": "%REQ(:AUTHORITY)%",
}


def _address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name, port, http2=False):
    limits = {"max_connections": _LIMIT, "max_pending_requests": _LIMIT, "max_requests": _LIMIT, "max_retries": _LIMIT}
    options = {"@type": _HTTP, "explicit_http_config": {"http2_protocol_options": {}}}
    return {
        "name": name,
        **({"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}} if http2 else {}),
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        "circuit_breakers": {"thresholds": [{"priority": "DEFAULT", **limits}, {"priority": "HIGH", **limits}]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
        },
    }


def route_request(index):
    """Path and headers of a request that only route `index` matches."""
    kind = index % 4
    if kind == 0:
        return f"/r/prefix-{index}/item", []
    if kind == 1:
        return f"/r/exact-{index}", []
    if kind == 2:
        return f"/r/regex-{index}/item/4711", []
    return "/r/header/item", [f"x-perf-route: {index}"]


def _route(index, cluster):
    """Prefix, exact, regex and header matches take turns, as a grown table mixes them."""
    kind = index % 4
    if kind == 0:
        match = {"prefix": f"/r/prefix-{index}/"}
    elif kind == 1:
        match = {"path": f"/r/exact-{index}"}
    elif kind == 2:
        match = {"safe_regex": {"regex": f"/r/regex-{index}/item/[0-9]+"}}
    else:
        match = {"prefix": "/r/header/", "headers": [{"name": "x-perf-route", "string_match": {"exact": str(index)}}]}
    return {"match": match, "route": {"cluster": cluster}}


def _log_server(spec):
    """The 12 fields as each server's format has them: ALS has a message of its own that tells them all."""
    if spec.log_server == "als":
        common = {"log_name": "perf", "transport_api_version": "V3", "grpc_service": {"envoy_grpc": {"cluster_name": "logs"}}}
        return {"name": "envoy.access_loggers.http_grpc",
                "typed_config": {"@type": _ALS, "common_config": common, "additional_request_headers_to_log": ["user-agent"]}}
    if spec.log_server == "otel":
        service = {"http_uri": {"uri": f"http://127.0.0.1:{spec.log_port}/upload", "cluster": "logs", "timeout": "1s"}}
        attributes = [{"key": key, "value": {"string_value": value}} for key, value in LOG_FIELDS.items()]
        return {"name": "envoy.access_loggers.open_telemetry",
                "typed_config": {"@type": _OTEL_LOG, "log_name": "perf", "stat_prefix": "perf.", "http_service": service,
                                 "attributes": {"values": attributes}}}
    return {"name": "envoy.access_loggers.fluentd",
            "typed_config": {"@type": _FLUENTD, "cluster": "logs", "tag": "perf", "stat_prefix": "perf", "record": LOG_FIELDS}}


def _http_filter(spec):
    if spec.routes:
        # Only the routes under test lead to the backend: a wrong match is a 503 and counts as an error.
        tested = set(spec.routes_tested)
        routes = [_route(i, "backend" if i in tested else "decoy") for i in range(spec.routes)]
    else:
        routes = [{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}]
    host = {"name": "all", "domains": ["*"], "routes": routes}
    if spec.edge:
        host["request_headers_to_add"] = [
            {"header": {"key": "x-perf-edge", "value": "martlet"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
        host["response_headers_to_add"] = [
            {"header": {"key": "x-perf-served", "value": "martlet"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
    router = {"@type": ROUTER}
    manager = {
        "@type": HCM,
        "stat_prefix": "perf",
        "codec_type": "HTTP2" if spec.http2 and not spec.tls else "AUTO",
        "route_config": {"name": "perf", "virtual_hosts": [host]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    if spec.log or spec.edge:
        log = {"@type": _FILE_LOG, "path": spec.log_path, "log_format": {"json_format": LOG_FIELDS}}
        manager["access_log"] = [{"name": "envoy.access_loggers.file", "typed_config": log}]
    if spec.log_server:
        manager["access_log"] = [_log_server(spec)]
    if spec.tracing:
        service = {"http_uri": {"uri": f"http://127.0.0.1:{spec.upstream}/upload", "cluster": "collector", "timeout": "1s"}}
        manager["tracing"] = {
            "random_sampling": {"value": 1},
            "provider": {"name": "envoy.tracers.opentelemetry",
                         "typed_config": {"@type": _OTEL, "service_name": "perf", "http_service": service}},
        }
    if spec.lean:
        manager["generate_request_id"] = False
        router["dynamic_stats"] = False
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def _tcp_filter():
    return {"name": "envoy.filters.network.tcp_proxy",
            "typed_config": {"@type": _TCP, "stat_prefix": "perf", "cluster": "backend"}}


def _tls(spec):
    if not spec.tls:
        return {}
    base = os.path.join(spec.certificates, spec.tls)
    certificate = {"certificate_chain": {"filename": base + ".pem"}, "private_key": {"filename": base + ".key"}}
    common = {"tls_certificates": [certificate], "alpn_protocols": ["h2" if spec.http2 else "http/1.1"]}
    return {"transport_socket": {"name": "envoy.transport_sockets.tls",
                                 "typed_config": {"@type": _TLS, "common_tls_context": common}}}


def bootstrap(spec, port, admin_port):
    clusters = [_cluster("backend", spec.upstream, spec.http2_upstream)]
    if spec.routes:
        clusters.append(_cluster("decoy", 9))
    if spec.tracing:
        clusters.append(_cluster("collector", spec.upstream))
    if spec.log_server:
        clusters.append(_cluster("logs", spec.log_port, http2=spec.log_server == "als"))
    clusters += [_cluster(f"spare-{i}", 9) for i in range(spec.clusters - 1)]
    network_filter = _tcp_filter() if spec.kind == "tcp" else _http_filter(spec)
    return to_yaml({
        "admin": {"address": _address(admin_port)},
        "static_resources": {
            "listeners": [{"name": "perf", "address": _address(port),
                           "filter_chains": [{"filters": [network_filter], **_tls(spec)}]}],
            "clusters": clusters,
        },
    })


def to_yaml(value, depth=0):
    """Block style for what the configurations above hold: mappings, lists, strings, numbers, booleans."""
    pad = "  " * depth
    lines = []
    if isinstance(value, dict):
        for key, item in value.items():
            name = f'"{key}"' if key.startswith("@") else key
            if isinstance(item, (dict, list)) and item:
                lines.append(f"{pad}{name}:\n{to_yaml(item, depth + 1)}")
            else:
                lines.append(f"{pad}{name}: {_scalar(item)}\n")
    else:
        for item in value:
            if isinstance(item, dict):
                lines.append(f"{pad}- {to_yaml(item, depth + 1).lstrip()}")
            else:
                lines.append(f"{pad}- {_scalar(item)}\n")
    return "".join(lines)


def _scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "{}" if isinstance(value, dict) else "[]"
