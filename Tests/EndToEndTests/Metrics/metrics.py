"""Prometheus's messages for whoever reads them in a test: built from descriptors written here, read by protobuf."""
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.decoder import _DecodeVarint

FIELD = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    "string": FIELD.TYPE_STRING, "double": FIELD.TYPE_DOUBLE, "uint64": FIELD.TYPE_UINT64, "sint32": FIELD.TYPE_SINT32,
    "uint32": FIELD.TYPE_UINT32, "sint64": FIELD.TYPE_SINT64, "int64": FIELD.TYPE_INT64, "int32": FIELD.TYPE_INT32,
}
MESSAGES = {
    "LabelPair": "name:string=1 value:string=2",
    "Gauge": "value:double=1",
    "Counter": "value:double=1",
    "Quantile": "quantile:double=1 value:double=2",
    "Summary": "sample_count:uint64=1 sample_sum:double=2 quantile:*Quantile=3",
    "Bucket": "cumulative_count:uint64=1 upper_bound:double=2",
    "BucketSpan": "offset:sint32=1 length:uint32=2",
    "Histogram": "sample_count:uint64=1 sample_sum:double=2 bucket:*Bucket=3 schema:sint32=5 zero_threshold:double=6 "
    "zero_count:uint64=7 negative_span:*BucketSpan=9 negative_delta:*sint64=10 positive_span:*BucketSpan=12 "
    "positive_delta:*sint64=13",
    "Metric": "label:*LabelPair=1 gauge:Gauge=2 counter:Counter=3 summary:Summary=4 histogram:Histogram=7 timestamp_ms:int64=6",
    "MetricFamily": "name:string=1 help:string=2 type:int32=3 metric:*Metric=4",
}


def _family():
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package="io.prometheus.client", syntax="proto2")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in fields.split():
            field_name, rest = text.split(":")
            kind, number = rest.split("=")
            field = message.field.add(name=field_name, number=int(number))
            field.label = FIELD.LABEL_REPEATED if kind.startswith("*") else FIELD.LABEL_OPTIONAL
            kind = kind.lstrip("*")
            if kind in SCALARS:
                field.type = SCALARS[kind]
            else:
                field.type = FIELD.TYPE_MESSAGE
                field.type_name = ".io.prometheus.client." + kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("io.prometheus.client.MetricFamily"))


MetricFamily = _family()


def unknown(message):
    """Whether a field is in it that the descriptors do not know."""
    try:
        from google.protobuf.unknown_fields import UnknownFieldSet
    except ImportError:
        return False
    return len(UnknownFieldSet(message)) > 0


def families(data):
    at = 0
    while at < len(data):
        size, at = _DecodeVarint(data, at)
        assert at + size <= len(data), "a message is cut short"
        family = MetricFamily()
        family.ParseFromString(data[at:at + size])
        assert not unknown(family), family
        at += size
        yield family
