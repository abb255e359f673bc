"""Servers of the interoperability tests: one per port, each with a name of its own.

    server.py PORT... [--certificate FILE --key FILE]

Prints "ready" when all of them serve, and runs until it is ended.
"""

import argparse
import concurrent.futures
import time

import grpc

import messages as m

ECHO_INITIAL = "x-grpc-test-echo-initial"
ECHO_TRAILING = "x-grpc-test-echo-trailing-bin"


class Service:
    def __init__(self, name):
        self.name = name

    def handlers(self):
        kinds = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }
        made = {}
        for name, (request, _, client, server) in m.METHODS.items():
            if name == "UnimplementedCall":
                continue
            made[name] = kinds[client, server](
                getattr(self, name), request_deserializer=getattr(m, request).FromString,
                response_serializer=lambda message: message.SerializeToString())
        return grpc.method_handlers_generic_handler(m.SERVICE, made)

    @staticmethod
    def _echo(context):
        metadata = dict(context.invocation_metadata())
        if ECHO_INITIAL in metadata:
            context.send_initial_metadata(((ECHO_INITIAL, metadata[ECHO_INITIAL]),))
        if ECHO_TRAILING in metadata:
            context.set_trailing_metadata(((ECHO_TRAILING, metadata[ECHO_TRAILING]),))

    @staticmethod
    def _status(request, context):
        if request.HasField("response_status") and request.response_status.code:
            status = request.response_status
            code = next(c for c in grpc.StatusCode if c.value[0] == status.code)
            context.abort(code, status.message)

    def EmptyCall(self, request, context):
        self._echo(context)
        return m.Empty()

    def UnaryCall(self, request, context):
        if request.response_compressed:
            context.set_compression(grpc.Compression.Gzip)
        self._echo(context)
        self._status(request, context)
        response = m.SimpleResponse(payload=m.payload(request.response_size))
        if request.fill_server_id:
            response.server_id = self.name
        return response

    def StreamingOutputCall(self, request, context):
        if any(p.compressed for p in request.response_parameters):
            context.set_compression(grpc.Compression.Gzip)
        self._echo(context)
        yield from self._responses(request)
        self._status(request, context)

    @staticmethod
    def _responses(request):
        for parameters in request.response_parameters:
            if parameters.interval_us:
                time.sleep(parameters.interval_us / 1e6)
            yield m.StreamingOutputCallResponse(payload=m.payload(parameters.size))

    def StreamingInputCall(self, requests, context):
        self._echo(context)
        return m.StreamingInputCallResponse(aggregated_payload_size=sum(len(r.payload.body) for r in requests))

    def FullDuplexCall(self, requests, context):
        self._echo(context)
        for request in requests:
            self._status(request, context)
            yield from self._responses(request)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ports", nargs="+", type=int)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    servers = []
    for index, port in enumerate(arguments.ports):
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((Service(f"server-{index}").handlers(),))
        address = f"127.0.0.1:{port}"
        if arguments.certificate:
            with open(arguments.key, "rb") as key, open(arguments.certificate, "rb") as chain:
                credentials = grpc.ssl_server_credentials([(key.read(), chain.read())])
            server.add_secure_port(address, credentials)
        else:
            server.add_insecure_port(address)
        server.start()
        servers.append(server)
    print("ready", flush=True)
    servers[0].wait_for_termination(timeout=300)


main()
