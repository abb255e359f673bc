"""The table of the release: what Martlet must reach (gate) and should (goal).

A ratio is the median of the ratios round by round: both sides of it met the same machine.
"""

import statistics
from dataclasses import dataclass

PEERS = ("haproxy", "nginx", "envoy")


def values(case, key):
    """One figure per sample; `latency_us.p99` reaches inside."""
    found = []
    for sample in case.samples:
        for part in key.split("."):
            sample = sample[part]
        found.append(sample)
    return found


def median(case, key):
    found = values(case, key) if case else []
    return statistics.median(found) if found else None


def ratio(case, reference, key):
    if not case or not reference:
        return None
    pairs = [(a, b) for a, b in zip(values(case, key), values(reference, key)) if b]
    return statistics.median(a / b for a, b in pairs) if pairs else None


def find(cases, peer, variant=""):
    return next((c for c in cases or [] if c.peer.name == peer and c.variant == variant and c.samples), None)


def best_peer(cases, key, variant=""):
    """The peer with the lowest median; the floor is none."""
    found = [c for c in (find(cases, name, variant) for name in PEERS) if c]
    return min(found, key=lambda c: median(c, key), default=None)


def to_best(key="cpu_us"):
    return lambda cases: ratio(find(cases, "martlet"), best_peer(cases, key), key)


def to_peer(peer, key="cpu_us"):
    return lambda cases: ratio(find(cases, "martlet"), find(cases, peer), key)


def to_openssl_peer(key="cpu_us"):
    """HAProxy and nginx, which share our TLS library; Envoy's is another one."""
    def value(cases):
        found = [c for c in (find(cases, name) for name in ("haproxy", "nginx")) if c]
        return ratio(find(cases, "martlet"), min(found, key=lambda c: median(c, key), default=None), key)
    return value


def own(key):
    return lambda cases: median(find(cases, "martlet"), key)


def _routes(cases):
    """The worst of the last four routes, one of each kind, against the first of one."""
    one = find(cases, "martlet", "of one")
    last = [ratio(find(cases, "martlet", f"last {kind}"), one, "cpu_us") for kind in ("prefix", "exact", "regex", "header")]
    return None if None in last else max(last)


def _workers(cases):
    return ratio(find(cases, "martlet", "2 workers"), find(cases, "martlet", "1 worker"), "cpu_us")


def _on_to_off(cases):
    return ratio(find(cases, "martlet", "on"), find(cases, "martlet", "off"), "cpu_us")


@dataclass
class Gate:
    scenario: str
    what: str
    value: object    # cases -> number or None
    gate: float
    goal: float


GATES = [
    Gate("keepalive", "× best peer", to_best(), 0.82, 0.78),
    Gate("keepalive", "× Envoy", to_peer("envoy"), 0.30, 0.27),
    Gate("keepalive", "× floor", to_peer("floor"), 1.18, 1.12),
    Gate("headers", "× best peer", to_best(), 0.85, 0.75),
    Gate("access_log", "on × off", _on_to_off, 1.08, 1.05),
    Gate("tracing", "on × off", _on_to_off, 1.02, 1.01),
    Gate("profiled", "on × off", _on_to_off, 1.02, 1.01),
    Gate("newconn", "× best peer", to_best(), 0.90, 0.80),
    Gate("body100k", "× best peer", to_best(), 1.00, 0.85),
    Gate("upload100k", "× best peer", to_best(), 1.00, 0.85),
    Gate("tcp_small", "× floor", to_peer("floor"), 1.05, 1.03),
    Gate("tcp_bulk", "× best peer", to_best(), 1.00, 0.85),
    Gate("routes10k", "last × first of one", _routes, 1.5, 1.1),
    Gate("workers2", "2 workers × 1", _workers, 1.05, 1.0),
    Gate("latency", "p99 × best peer", to_best("latency_us.p99"), 1.0, 0.8),
    Gate("latency", "p99.9 × best peer", to_best("latency_us.p999"), 1.0, 0.8),
    Gate("https", "× best peer", to_best(), 0.85, 0.80),
    Gate("http2_tls", "× best peer", to_best(), 0.85, 0.80),
    Gate("http2", "× best peer", to_best(), 0.85, 0.80),
    Gate("http2_upstream", "× best peer", to_best(), 0.85, 0.80),
    Gate("grpc_unary", "× best peer", to_best(), 0.85, 0.80),
    Gate("grpc_stream", "× best peer", to_best(), 0.85, 0.80),
    Gate("handshake_p256", "× best of HAProxy and nginx", to_openssl_peer(), 0.85, 0.80),
    Gate("handshake_rsa", "× best of HAProxy and nginx", to_openssl_peer(), 0.85, 0.80),
    Gate("resumed", "× best of HAProxy and nginx", to_openssl_peer(), 0.85, 0.80),
    Gate("idle", "KiB per connection", own("kib"), 1.2, 0.8),
    Gate("idle_tls", "KiB per connection", own("kib"), 20, 16),
    Gate("clusters2000", "KiB per cluster", own("kib"), 8, 4),
    # What the control plane allocates by the clock (timers, statistics) is in it: 100 in 100,000 requests.
    Gate("allocations", "per request", own("per_request"), 0.001, 0.001),
    # 2.16 to 2.52 on a busy machine when it was first counted.
    Gate("handshake_allocations", "per handshake", own("per_request"), 2.8, 1.0),
    Gate("startup", "ms to ready", own("ms"), 40, 20),
    Gate("startup", "MB, stripped static binary", own("binary_mb"), 30, 20),
    Gate("startup", "MB resident", own("resident_mb"), 20, 12),
]


def judge(results):
    """[(gate, value, verdict)] for the scenarios that ran; an error in a run of ours misses its gates."""
    verdicts = []
    for gate in GATES:
        if gate.scenario not in results:
            continue
        cases = results[gate.scenario]
        value = gate.value(cases)
        ours = [c for c in cases if c.peer.name == "martlet"]
        if value is None:
            verdict = "not measured"
        elif any(s["errors"] for c in ours for s in c.samples) or any(c.failure for c in ours):
            verdict = "MISSED (errors)"
        elif value > gate.gate:
            verdict = "MISSED"
        else:
            verdict = "goal" if value <= gate.goal else "gate"
        verdicts.append((gate, value, verdict))
    return verdicts
