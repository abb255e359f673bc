"""Messages and services of the interoperability tests, as descriptors made here: no generated code, no compiler.

The shapes are those of the public description of gRPC's interoperability tests
(https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md), in a package of our own.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "martlet.test"
SERVICE = PACKAGE + ".TestService"
MISSING_SERVICE = PACKAGE + ".UnimplementedService"

# name: [(field, number, type, repeated)]; a type with a capital letter is a message of this package.
SHAPES = {
    "Empty": [],
    "Payload": [("type", 1, "int32", False), ("body", 2, "bytes", False)],
    "EchoStatus": [("code", 1, "int32", False), ("message", 2, "string", False)],
    "SimpleRequest": [
        ("response_size", 2, "int32", False), ("payload", 3, "Payload", False),
        ("response_compressed", 6, "bool", False), ("response_status", 7, "EchoStatus", False),
        ("fill_server_id", 9, "bool", False),
    ],
    "SimpleResponse": [("payload", 1, "Payload", False), ("server_id", 4, "string", False)],
    "StreamingInputCallRequest": [("payload", 1, "Payload", False)],
    "StreamingInputCallResponse": [("aggregated_payload_size", 1, "int32", False)],
    "ResponseParameters": [("size", 1, "int32", False), ("interval_us", 2, "int32", False), ("compressed", 3, "bool", False)],
    "StreamingOutputCallRequest": [
        ("response_parameters", 2, "ResponseParameters", True), ("payload", 3, "Payload", False),
        ("response_status", 7, "EchoStatus", False),
    ],
    "StreamingOutputCallResponse": [("payload", 1, "Payload", False)],
}

# name: (request, response, client streams, server streams)
METHODS = {
    "EmptyCall": ("Empty", "Empty", False, False),
    "UnaryCall": ("SimpleRequest", "SimpleResponse", False, False),
    "StreamingOutputCall": ("StreamingOutputCallRequest", "StreamingOutputCallResponse", False, True),
    "StreamingInputCall": ("StreamingInputCallRequest", "StreamingInputCallResponse", True, False),
    "FullDuplexCall": ("StreamingOutputCallRequest", "StreamingOutputCallResponse", True, True),
    "UnimplementedCall": ("Empty", "Empty", False, False),
}

_TYPES = {"int32": 5, "bool": 8, "string": 9, "bytes": 12}


def descriptor_file():
    file = descriptor_pb2.FileDescriptorProto(name="martlet/test.proto", package=PACKAGE, syntax="proto3")
    for name, fields in SHAPES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            added = message.field.add(name=field, number=number, label=3 if repeated else 1)
            if kind in _TYPES:
                added.type = _TYPES[kind]
            else:
                added.type = 11
                added.type_name = f".{PACKAGE}.{kind}"
    service = file.service.add(name="TestService")
    for name, (request, response, client, server) in METHODS.items():
        service.method.add(
            name=name, input_type=f".{PACKAGE}.{request}", output_type=f".{PACKAGE}.{response}",
            client_streaming=client, server_streaming=server)
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(descriptor_file())

for _name in SHAPES:
    globals()[_name] = message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{PACKAGE}.{_name}"))


def payload(size):
    return Payload(body=bytes(size))  # noqa: F821 (made above)
