"""SkyWalking's segments, as its collector reads them."""
import base64

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

# apache/skywalking-data-collect-protocol, common/Common.proto and language-agent/Tracing.proto; enumerations as numbers.
MESSAGES = {
    "KeyStringValuePair": ["1 string key", "2 string value"],
    "Log": ["1 int64 time", "2 KeyStringValuePair* data"],
    "SegmentReference": [
        "1 int32 refType", "2 string traceId", "3 string parentTraceSegmentId", "4 int32 parentSpanId", "5 string parentService",
        "6 string parentServiceInstance", "7 string parentEndpoint", "8 string networkAddressUsedAtPeer"],
    "SpanObject": [
        "1 int32 spanId", "2 int32 parentSpanId", "3 int64 startTime", "4 int64 endTime", "5 SegmentReference* refs",
        "6 string operationName", "7 string peer", "8 int32 spanType", "9 int32 spanLayer", "10 int32 componentId", "11 bool isError",
        "12 KeyStringValuePair* tags", "13 Log* logs", "14 bool skipAnalysis"],
    "SegmentObject": [
        "1 string traceId", "2 string traceSegmentId", "3 SpanObject* spans", "4 string service", "5 string serviceInstance",
        "6 bool isSizeLimited"],
}


def segment_object():
    file = descriptor_pb2.FileDescriptorProto(name="skywalking.proto", package="skywalking.v3", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, type, field in (line.split() for line in fields):
            many = type.endswith("*")
            added = message.field.add(name=field, number=int(number), label=3 if many else 1)
            type = type.rstrip("*")
            if type in MESSAGES:
                added.type, added.type_name = kinds.TYPE_MESSAGE, ".skywalking.v3." + type
            else:
                added.type = getattr(kinds, "TYPE_" + type.upper())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("skywalking.v3.SegmentObject"))


SegmentObject = segment_object()


class Service(grpc.GenericRpcHandler):
    def __init__(self, say):
        self.say = say

    def service(self, details):
        if details.method != "/skywalking.v3.TraceSegmentReportService/collect":
            return None
        headers = dict(details.invocation_metadata)

        def collect(segments, context):
            self.say("stream", headers=headers)
            for segment in segments:
                self.say("segment", **json_format.MessageToDict(segment, preserving_proto_field_name=True))
                if any(span.operationName == "/status/200?hangup" for span in segment.spans):
                    break
            return b""

        return grpc.stream_unary_rpc_method_handler(
            collect, request_deserializer=SegmentObject.FromString, response_serializer=lambda empty: empty)


service = Service


def readable(sw8):
    """Its fields, decoded."""
    fields = sw8.split("-")
    return [f if i in (0, 3) else base64.b64decode(f + "=" * (-len(f) % 4)).decode() for i, f in enumerate(fields)]
