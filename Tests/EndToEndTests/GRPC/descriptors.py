"""Prints the descriptor set of the test's messages, in base64: what grpc_json_transcoder is configured with."""

import base64

from google.protobuf import descriptor_pb2

import messages

print(base64.b64encode(descriptor_pb2.FileDescriptorSet(file=[messages.descriptor_file()]).SerializeToString()).decode())
