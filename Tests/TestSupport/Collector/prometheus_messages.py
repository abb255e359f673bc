"""`io.prometheus.client.MetricFamily` and Envoy's message around it, whose published modules clash with Python's own `io`."""
from envoy.config.core.v3 import base_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_KINDS = descriptor_pb2.FieldDescriptorProto
_TYPES = {"string": _KINDS.TYPE_STRING, "double": _KINDS.TYPE_DOUBLE, "uint64": _KINDS.TYPE_UINT64,
          "int64": _KINDS.TYPE_INT64, "int32": _KINDS.TYPE_INT32, "uint32": _KINDS.TYPE_UINT32, "sint64": _KINDS.TYPE_SINT64, "sint32": _KINDS.TYPE_SINT32}


def _message(messages, name, package, *fields):
    message = messages.add(name=name)
    for number, type, field, many in fields:
        f = message.field.add(name=field, number=number, label=3 if many else 1)
        if type in _TYPES:
            f.type = _TYPES[type]
        elif type == "MetricType":
            f.type, f.type_name = _KINDS.TYPE_ENUM, package + type
        else:
            f.type, f.type_name = _KINDS.TYPE_MESSAGE, type if type.startswith(".") else package + type
    return message


def _prometheus():
    package = ".io.prometheus.client."
    file = descriptor_pb2.FileDescriptorProto(name="prometheus_metrics.proto", package="io.prometheus.client", syntax="proto2")
    kinds = file.enum_type.add(name="MetricType")
    for number, name in enumerate(["COUNTER", "GAUGE", "SUMMARY", "UNTYPED", "HISTOGRAM", "GAUGE_HISTOGRAM"]):
        kinds.value.add(name=name, number=number)
    m = file.message_type
    _message(m, "LabelPair", package, (1, "string", "name", 0), (2, "string", "value", 0))
    _message(m, "Gauge", package, (1, "double", "value", 0))
    _message(m, "Counter", package, (1, "double", "value", 0))
    _message(m, "Quantile", package, (1, "double", "quantile", 0), (2, "double", "value", 0))
    _message(m, "Summary", package, (1, "uint64", "sample_count", 0), (2, "double", "sample_sum", 0), (3, "Quantile", "quantile", 1))
    _message(m, "Untyped", package, (1, "double", "value", 0))
    _message(m, "Bucket", package, (1, "uint64", "cumulative_count", 0), (2, "double", "upper_bound", 0))
    _message(m, "Histogram", package, (1, "uint64", "sample_count", 0), (2, "double", "sample_sum", 0), (3, "Bucket", "bucket", 1))
    _message(m, "Metric", package, (1, "LabelPair", "label", 1), (2, "Gauge", "gauge", 0), (3, "Counter", "counter", 0),
             (4, "Summary", "summary", 0), (5, "Untyped", "untyped", 0), (6, "int64", "timestamp_ms", 0), (7, "Histogram", "histogram", 0))
    _message(m, "MetricFamily", package, (1, "string", "name", 0), (2, "string", "help", 0), (3, "MetricType", "type", 0),
             (4, "Metric", "metric", 1), (5, "string", "unit", 0))
    return file


def _service():
    package = ".envoy.service.metrics.v3."
    file = descriptor_pb2.FileDescriptorProto(name="metrics_service.proto", package="envoy.service.metrics.v3", syntax="proto3",
                                              dependency=["prometheus_metrics.proto", base_pb2.DESCRIPTOR.name])
    message = _message(file.message_type, "StreamMetricsMessage", package, (1, "StreamMetricsMessage.Identifier", "identifier", 0),
                       (2, ".io.prometheus.client.MetricFamily", "envoy_metrics", 1))
    _message(message.nested_type, "Identifier", package, (1, ".envoy.config.core.v3.Node", "node", 0))
    return file


_pool = descriptor_pool.Default()
_pool.Add(_prometheus())
_pool.Add(_service())
StreamMetricsMessage = message_factory.GetMessageClass(_pool.FindMessageTypeByName("envoy.service.metrics.v3.StreamMetricsMessage"))
