"""Traces as Datadog's agent takes them, and what it answers: which share of them it wants."""
import json


def read(body):
    import msgpack

    return msgpack.unpackb(body, raw=False)


def answer(host):
    """Told by the name that the agent was called by."""
    if host.startswith("refuse"):
        return 503, b""
    if host.startswith("rate."):
        return 200, json.dumps({"rate_by_service": {"service:other,env:": 1, "service:svc,env:": float(host[5:]), "service:,env:": 1}}).encode()
    return 200, b"{}"
