"""A management server for secrets and layers of the runtime (SDS, RTDS, and both over ADS): state of the world and incremental
over gRPC, and REST, without TLS.

    management.py GRPC_PORT FOLDER REST_PORT

FOLDER/<name>.json is the secret of that name as `{"version": "1", "secret": {…}}` in protobuf's JSON, or the layer as
`{"version": "1", "runtime": {…}}`; it is sent to whoever asks for that type when it is there, and again whenever the file has changed. `"raw": {"type_url": …, "value": base64}` instead of a secret is sent as it is,
`"removed": true` tells that there is none any more, `"empty": true` is a response that says nothing. FOLDER/_end ends every stream once. Over REST
`"status": 404` is the answer, `"text": "…"` its body, and `"silent": true` none. Every stream, request and response is a line
of JSON.
"""
import base64
import json
import os
import queue
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler

import grpc
from google.protobuf import any_pb2, json_format
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.runtime.v3 import rtds_pb2

from lines import say, serve

TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
RUNTIME = "type.googleapis.com/envoy.service.runtime.v3.Runtime"
SERVICE = "envoy.service.secret.v3.SecretDiscoveryService"
RUNTIME_SERVICE = "envoy.service.runtime.v3.RuntimeDiscoveryService"
AGGREGATED = "envoy.service.discovery.v3.AggregatedDiscoveryService"
folder = ""


def stored(name):
    """What the folder says of a secret now; nothing: there is no file, or half of one."""
    try:
        with open(os.path.join(folder, name + ".json")) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def resource(name, entry):
    any = any_pb2.Any()
    if "raw" in entry:
        any.type_url = entry["raw"]["type_url"]
        any.value = base64.b64decode(entry["raw"]["value"])
    elif "runtime" in entry:
        runtime = json_format.ParseDict({"name": entry.get("name", name), "layer": entry["runtime"]}, rtds_pb2.Runtime())
        any.type_url = RUNTIME
        any.value = runtime.SerializeToString()
    else:
        secret = json_format.ParseDict({"name": name, **entry["secret"]}, secret_pb2.Secret())
        any.type_url = TYPE
        any.value = secret.SerializeToString()
    return any


class Stream:
    """One stream: requests come by a thread of their own, responses leave when there is something new."""

    def __init__(self, requests, context, kind):
        self.inbox = queue.Queue()
        self.context = context
        self.kind = kind
        # By type.
        self.names = {}
        self.sent = {}
        self.nonce = 0
        self.ended = os.path.exists(os.path.join(folder, "_end")) and os.stat(os.path.join(folder, "_end")).st_mtime_ns
        say("stream", kind=kind, metadata={k: v for k, v in context.invocation_metadata() if isinstance(v, str)})
        threading.Thread(target=self.read, args=(requests,), daemon=True).start()

    def read(self, requests):
        try:
            for request in requests:
                self.inbox.put(request)
        except grpc.RpcError:
            pass
        self.inbox.put(None)

    def is_told_to_end(self):
        try:
            return os.stat(os.path.join(folder, "_end")).st_mtime_ns != self.ended
        except OSError:
            return False

    def run(self):
        while self.context.is_active():
            try:
                request = self.inbox.get(timeout=0.02)
                if request is None:
                    break
                self.take(request)
                continue
            except queue.Empty:
                pass
            if self.is_told_to_end():
                say("end", kind=self.kind)
                return
            for type, name in [(type, name) for type, names in self.names.items() for name in names]:
                entry = stored(name)
                if entry is None or self.sent.get((type, name)) == entry:
                    continue
                self.sent[type, name] = entry
                self.nonce += 1
                response = self.response(type, name, entry)
                say("response", kind=self.kind, name=name, version=entry.get("version", ""), nonce=response.nonce)
                yield response
        say("closed", kind=self.kind)

    def said(self, request, **fields):
        detail = request.error_detail
        say("request", kind=self.kind, node=request.node.id, cluster=request.node.cluster, hasNode=request.HasField("node"),
            type=request.type_url, nonce=request.response_nonce, code=detail.code, error=detail.message, **fields)


class World(Stream):
    def take(self, request):
        self.names[request.type_url] = list(request.resource_names)
        self.said(request, names=list(request.resource_names), version=request.version_info)

    def response(self, type, name, entry):
        response = discovery_pb2.DiscoveryResponse(
            version_info=entry.get("version", ""), type_url=type, nonce="nonce-%d" % self.nonce)
        response.control_plane.identifier = "test-server"
        if not entry.get("removed") and not entry.get("empty"):
            for _ in range(entry.get("times", 1)):
                response.resources.append(resource(name, entry))
        return response


class Delta(Stream):
    def take(self, request):
        names = self.names.setdefault(request.type_url, [])
        for name in request.resource_names_unsubscribe:
            names.remove(name)
        names += [name for name in request.resource_names_subscribe if name not in names]
        self.said(request, names=list(request.resource_names_subscribe), gone=list(request.resource_names_unsubscribe),
                  versions=dict(request.initial_resource_versions))

    def response(self, type, name, entry):
        response = discovery_pb2.DeltaDiscoveryResponse(
            system_version_info="system-" + entry.get("version", ""), type_url=type, nonce="nonce-%d" % self.nonce)
        response.control_plane.identifier = "test-server"
        if entry.get("empty"):
            pass
        elif entry.get("removed"):
            response.removed_resources.append(name)
        else:
            response.resources.add(name=name, version=entry.get("version", ""), resource=resource(name, entry))
        return response


class Rest(BaseHTTPRequestHandler):
    """One request, one answer with what the folder says now."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        request = json_format.Parse(body, discovery_pb2.DiscoveryRequest())
        say("fetch", path=self.path, names=list(request.resource_names), version=request.version_info, node=request.node.id,
            cluster=request.node.cluster, type=request.type_url, nonce=request.response_nonce,
            headers={name.lower(): value for name, value in self.headers.items() if name.lower() not in ("content-length", "host")},
            host=self.headers.get("host"))
        entry = stored(request.resource_names[0]) or {"status": 404}
        if entry.get("silent"):
            # Until the client has gone.
            self.rfile.read(1)
            self.close_connection = True
            return
        response = discovery_pb2.DiscoveryResponse(version_info=entry.get("version", ""))
        if "secret" in entry or "raw" in entry or "runtime" in entry:
            response.resources.append(resource(request.resource_names[0], entry))
        text = (entry.get("text") or json_format.MessageToJson(response)).encode()
        self.send_response(entry.get("status", 200))
        if entry.get("status") != 304:
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
        self.end_headers()
        if entry.get("status") != 304:
            self.wfile.write(text)

    def log_message(self, *_):
        pass


def main(port, path, rest_port):
    global folder
    folder = path
    serve(rest_port, Rest)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=[("grpc.so_reuseport", 0)])
    def world(kind):
        return grpc.stream_stream_rpc_method_handler(
            lambda requests, context: World(requests, context, kind).run(),
            discovery_pb2.DiscoveryRequest.FromString, discovery_pb2.DiscoveryResponse.SerializeToString)

    def delta(kind):
        return grpc.stream_stream_rpc_method_handler(
            lambda requests, context: Delta(requests, context, kind).run(),
            discovery_pb2.DeltaDiscoveryRequest.FromString, discovery_pb2.DeltaDiscoveryResponse.SerializeToString)

    server.add_generic_rpc_handlers((
        grpc.method_handlers_generic_handler(SERVICE, {"StreamSecrets": world("world"), "DeltaSecrets": delta("delta")}),
        grpc.method_handlers_generic_handler(RUNTIME_SERVICE, {"StreamRuntime": world("world"), "DeltaRuntime": delta("delta")}),
        grpc.method_handlers_generic_handler(AGGREGATED, {
            "StreamAggregatedResources": world("aggregated world"), "DeltaAggregatedResources": delta("aggregated delta")}),
    ))
    server.add_insecure_port("127.0.0.1:%d" % port)
    server.start()
    say("ready", at=time.time())
    server.wait_for_termination()


main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
