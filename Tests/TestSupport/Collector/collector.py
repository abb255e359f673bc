"""A collector of spans, and an upstream for the requests that they tell about.

    collector.py HTTP_PORT GRPC_PORT UPSTREAM_PORT

HTTP_PORT takes OTLP (protobuf), Zipkin (JSON, protobuf) and Datadog's traces (MessagePack) over HTTP/1, GRPC_PORT takes OTLP
and SkyWalking's segments over gRPC. Every span, segment, trace, report and request of the upstream is a line of JSON. Payloads
are read by protobuf's, msgpack's and Python's own readers.
"""
import json
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

import datadog
import skywalking
from lines import say, serve


# OTLP

def field(message, *names):
    """The field, under its new or its old name."""
    for name in names:
        if name in message.DESCRIPTOR.fields_by_name:
            return getattr(message, name)
    raise AttributeError(names[0])


def attributes(list):
    return {a.key: a.value.string_value for a in list}


def otlp(request, via):
    count = 0
    for resource in request.resource_spans:
        for scope in field(resource, "scope_spans", "instrumentation_library_spans"):
            for span in scope.spans:
                count += 1
                say("span", via=via, name=span.name, kind={2: "SERVER", 3: "CLIENT"}[span.kind], trace=span.trace_id.hex(),
                    id=span.span_id.hex(), parent=span.parent_span_id.hex(), state=span.trace_state,
                    isError=span.status.code == 2, tags=attributes(span.attributes),
                    events=[e.name for e in span.events], ns=span.end_time_unix_nano - span.start_time_unix_nano,
                    age=time.time() - span.end_time_unix_nano / 1e9, resource=attributes(resource.resource.attributes),
                    scope=field(scope, "scope", "instrumentation_library").name,
                    repeated=len(span.attributes) != len(attributes(span.attributes)))
    return count


def export(request, context):
    count = otlp(request, "grpc")
    say("report", via="grpc", spans=count, headers=dict(context.invocation_metadata()))
    return trace_service_pb2.ExportTraceServiceResponse()


# Zipkin

def zipkin_message():
    """`zipkin.proto3.ListOfSpans`, as Zipkin publishes it."""
    file = descriptor_pb2.FileDescriptorProto(name="zipkin.proto", package="zipkin.proto3", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    names = {"bytes": kinds.TYPE_BYTES, "string": kinds.TYPE_STRING, "fixed64": kinds.TYPE_FIXED64,
             "uint64": kinds.TYPE_UINT64, "int32": kinds.TYPE_INT32, "bool": kinds.TYPE_BOOL}

    def message(name, *fields, nested=None):
        m = (file.message_type if nested is None else nested).add(name=name)
        for number, type, field, many in fields:
            f = m.field.add(name=field, number=number, label=3 if many else 1)
            if type in names:
                f.type = names[type]
            else:
                f.type, f.type_name = kinds.TYPE_MESSAGE, ".zipkin.proto3." + type
        return m

    message("Endpoint", (1, "string", "service_name", 0), (2, "bytes", "ipv4", 0), (3, "bytes", "ipv6", 0), (4, "int32", "port", 0))
    message("Annotation", (1, "fixed64", "timestamp", 0), (2, "string", "value", 0))
    span = message(
        "Span", (1, "bytes", "trace_id", 0), (2, "bytes", "parent_id", 0), (3, "bytes", "id", 0), (4, "int32", "kind", 0),
        (5, "string", "name", 0), (6, "fixed64", "timestamp", 0), (7, "uint64", "duration", 0),
        (8, "Endpoint", "local_endpoint", 0), (9, "Endpoint", "remote_endpoint", 0), (10, "Annotation", "annotations", 1),
        (11, "Span.TagsEntry", "tags", 1), (12, "bool", "debug", 0), (13, "bool", "shared", 0))
    entry = message("TagsEntry", (1, "string", "key", 0), (2, "string", "value", 0), nested=span.nested_type)
    entry.options.map_entry = True
    message("ListOfSpans", (1, "Span", "spans", 1))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("zipkin.proto3.ListOfSpans"))


ListOfSpans = zipkin_message()


def zipkin_json(body):
    spans = json.loads(body)
    for s in spans:
        say("span", via="json", name=s["name"], kind=s["kind"], trace=s["traceId"], id=s["id"], parent=s.get("parentId", ""),
            tags=s["tags"], events=[a["value"] for a in s["annotations"]], ns=s["duration"] * 1000,
            age=time.time() - (s["timestamp"] + s["duration"]) / 1e6, shared=s.get("shared", False),
            endpoint=s["localEndpoint"])
    return len(spans)


def zipkin_proto(body):
    spans = ListOfSpans.FromString(body).spans
    for s in spans:
        end = s.local_endpoint
        address = {"ipv4": ".".join(str(b) for b in end.ipv4)} if end.ipv4 else {"ipv6": end.ipv6.hex()}
        say("span", via="proto", name=s.name, kind={1: "CLIENT", 2: "SERVER"}[s.kind], trace=s.trace_id.hex(), id=s.id.hex(),
            parent=s.parent_id.hex(), tags=dict(s.tags), events=[a.value for a in s.annotations], ns=s.duration * 1000,
            age=time.time() - (s.timestamp + s.duration) / 1e6, shared=s.shared,
            endpoint={"serviceName": end.service_name, "port": end.port, **address})
    return len(spans)


# Servers

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        if "chunked" in (self.headers.get("transfer-encoding") or ""):
            parts = []
            while True:
                size = int(self.rfile.readline(), 16)
                parts.append(self.rfile.read(size))
                self.rfile.readline()
                if size == 0:
                    return b"".join(parts)
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Collector(Handler):
    def do_POST(self):
        body = self.body()
        headers = {k.lower(): v for k, v in self.headers.items()}
        if self.path == "/v0.4/traces":
            traces = datadog.read(body)
            say("report", via="datadog", traces=len(traces), path=self.path, headers=headers)
            for trace in traces:
                say("trace", spans=trace)
            status, answer = datadog.answer(self.headers["host"])
            return self.answer(status, answer, [("content-type", "application/json")])
        if "traces" in self.path:
            count = otlp(trace_service_pb2.ExportTraceServiceRequest.FromString(body), "http")
        elif self.headers["content-type"] == "application/json":
            count = zipkin_json(body)
        else:
            count = zipkin_proto(body)
        say("report", via="http", spans=count, path=self.path, headers=headers)
        self.answer(503 if "refuse" in self.path else 202 if "spans" in self.path else 200)


class Upstream(Handler):
    """`/status/404`, `/grpc/5`, `/slow/300`, `/operation/name`."""

    def do_GET(self):
        self.body()
        what, _, argument = self.path.split("?")[0].strip("/").partition("/")
        say("upstream", path=self.path, headers=[[k.lower(), v] for k, v in self.headers.items()])
        headers, status = [], 200
        if what == "status":
            status = int(argument)
        elif what == "grpc":
            headers = [("content-type", "application/grpc"), ("grpc-status", argument), ("grpc-message", "mm")]
        elif what == "slow":
            time.sleep(int(argument) / 1000)
        elif what == "operation":
            headers = [("x-envoy-decorator-operation", argument)]
        self.answer(status, b"hello", headers)

    do_POST = do_HEAD = do_GET


http, rpc, upstream = (int(a) for a in sys.argv[1:4])
serve(http, Collector)
serve(upstream, Upstream)
server = grpc.server(futures.ThreadPoolExecutor(4))
handler = grpc.unary_unary_rpc_method_handler(
    export, request_deserializer=trace_service_pb2.ExportTraceServiceRequest.FromString,
    response_serializer=trace_service_pb2.ExportTraceServiceResponse.SerializeToString)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
    "opentelemetry.proto.collector.trace.v1.TraceService", {"Export": handler}),))
server.add_generic_rpc_handlers((skywalking.service(say),))
server.add_insecure_port(f"127.0.0.1:{rpc}")
server.start()
say("ready")
threading.Event().wait()
