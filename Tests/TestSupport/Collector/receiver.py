"""Where logs and metrics are sent to: gRPC services, OTLP over HTTP, and fluentd's forward protocol.

    receiver.py HTTP_PORT GRPC_PORT FORWARD_PORT

Everything that comes is a line of JSON. Payloads are read by the public descriptors and by PyPI's msgpack. Services: Envoy's
access log service, OpenTelemetry's logs and metrics, Envoy's metrics service.
"""
import gzip
import socket
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler

import grpc
import msgpack
from google.protobuf import json_format
import envoy.data.core.v3.tlv_metadata_pb2  # typed metadata of this type is logged
import envoy.extensions.filters.http.grpc_stats.v3.config_pb2  # filter state of this type is logged
from envoy.service.accesslog.v3 import als_pb2
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from lines import say, serve
from prometheus_messages import StreamMetricsMessage


def text(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


STREAMS = {
    "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs": als_pb2.StreamAccessLogsMessage,
    "/envoy.service.metrics.v3.MetricsService/StreamMetrics": StreamMetricsMessage,
}
CALLS = {
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": logs_service_pb2.ExportLogsServiceRequest,
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": metrics_service_pb2.ExportMetricsServiceRequest,
}


class Services(grpc.GenericRpcHandler):
    streams = 0

    def service(self, details):
        headers = dict(details.invocation_metadata)
        if details.method in STREAMS:
            Services.streams += 1
            number = Services.streams

            def read(messages, context):
                say("stream", number=number, method=details.method, headers=headers, authority=context.host() if hasattr(context, "host") else "")
                for message in messages:
                    say("message", via="grpc", stream=number, bytes=message.ByteSize(), body=text(message))
                say("end", stream=number)
                yield from ()

            return grpc.stream_stream_rpc_method_handler(read, request_deserializer=STREAMS[details.method].FromString,
                                                         response_serializer=lambda m: b"")
        if details.method in CALLS:
            def export(message, context):
                say("message", via="grpc", method=details.method, headers=headers, bytes=message.ByteSize(), body=text(message))
                return b""

            return grpc.unary_unary_rpc_method_handler(export, request_deserializer=CALLS[details.method].FromString,
                                                       response_serializer=lambda m: m)
        return None


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        if "chunked" in (self.headers.get("transfer-encoding") or ""):
            body = b""
            while True:
                size = int(self.rfile.readline(), 16)
                body += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    break
        else:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
        kind = metrics_service_pb2.ExportMetricsServiceRequest if "metrics" in self.path else logs_service_pb2.ExportLogsServiceRequest
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        say("message", via="http", path=self.path, headers={k.lower(): v for k, v in self.headers.items()},
            bytes=len(body), body=text(kind.FromString(body)))
        status = 503 if "refuse" in self.path else 200
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def forward(port):
    """fluentd's forward protocol: one message after another on each connection."""
    server = socket.create_server(("127.0.0.1", port))
    number = 0

    def read(connection, number):
        unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
        say("connected", connection=number)
        while data := connection.recv(65536):
            unpacker.feed(data)
            for message in unpacker:
                say("forward", connection=number, body=message)
        connection.close()
        say("closed", connection=number)

    while True:
        connection, _ = server.accept()
        number += 1
        threading.Thread(target=read, args=(connection, number), daemon=True).start()


http, rpc, forwarded = (int(a) for a in sys.argv[1:4])
serve(http, Collector)
threading.Thread(target=forward, args=(forwarded,), daemon=True).start()
server = grpc.server(futures.ThreadPoolExecutor(16), handlers=(Services(),))
server.add_insecure_port(f"127.0.0.1:{rpc}")
server.start()
say("ready")
threading.Event().wait()
