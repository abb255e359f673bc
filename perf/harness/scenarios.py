"""The scenarios. Each is a list of cases (a peer, perhaps a variant of it) that run in turn, round
after round: what drifts on the machine drifts for all of them."""

import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field

from . import envoy_config
from .measure import REQUEST_HEADERS, await_ready, go_and_read, run
from .peers import Spec
from .process import Failure, Process, connects, free_port, resident_kib, wait_until

ALL = ("martlet", "floor", "haproxy", "nginx", "envoy")
PROXIES = ("martlet", "haproxy", "nginx", "envoy")
ENVOY_LIKE = ("martlet", "envoy")


@dataclass
class Case:
    peer: object
    variant: str = ""
    samples: list = field(default_factory=list)
    failure: str = ""

    @property
    def label(self):
        return f"{self.peer.name} {self.variant}".strip()


@dataclass
class Scenario:
    name: str
    title: str
    unit: str                    # what one CPU figure is per
    peers: tuple
    sample: object               # (bench, peer, variant) -> dict
    variants: tuple = ("",)
    main: str = "cpu_us"         # the figure that is compared
    rounds_max: int = 1000
    prepare: object = None       # (bench, peers) -> None, once before the rounds

    def run(self, bench, peers, say):
        """Cases with their samples; a case that fails once is not tried again."""
        chosen = [p for p in peers if p.name in self.peers]
        if self.prepare:
            self.prepare(bench, chosen)
        cases = [Case(peer, variant) for peer in chosen for variant in self.variants]
        rounds = min(bench.options.rounds, self.rounds_max)
        for number in range(rounds):
            for case in cases:
                if case.failure:
                    continue
                try:
                    sample = self.quietest(bench, case)
                except Failure as failure:
                    case.failure = str(failure)
                    say(f"  {case.label}: {failure}")
                    continue
                case.samples.append(sample)
                errors = f"  ERRORS {sample['errors']}" if sample.get("errors") else ""
                say(f"  round {number + 1}/{rounds} {case.label}: {self.main} {sample[self.main]:.2f}{errors}")
        return cases


    def quietest(self, bench, case):
        """A sample; with --retries, the least disturbed of several when other work was on the machine."""
        best = None
        for _ in range(1 + bench.options.retries):
            sample = self.sample(bench, case.peer, case.variant)
            if best is None or sample.get("foreign_cpus", 0) < best.get("foreign_cpus", 0):
                best = sample
            if best.get("foreign_cpus", 0) < 0.1:
                break
        return best


def _http(arguments, **spec):
    return lambda bench, peer, variant: run(bench, peer, Spec(upstream=bench.http_port, **spec), arguments)


def _http2_upstream(arguments, **spec):
    return lambda bench, peer, variant: run(bench, peer, Spec(upstream=bench.http2_port, http2_upstream=True, **spec), arguments)


def _headers(bench, peer, variant):
    arguments = ["--conns", 64]
    for line in REQUEST_HEADERS:
        arguments += ["--header", line]
    # The floor changes nothing, so nothing can be asked of it.
    path = "/headers" if peer.name == "floor" else "/headers/edge"
    if peer.name != "floor":
        arguments += ["--require", "x-perf-served: martlet"]
    return run(bench, peer, Spec(upstream=bench.http_port, edge=True), arguments + ["--path", path])


def _access_log(bench, peer, variant):
    return run(bench, peer, Spec(upstream=bench.http_port, log=variant == "on"), ["--conns", 64])


_SINK = """
import socket, threading
server = socket.create_server(("127.0.0.1", {port}), backlog=16)
def swallow(client):
    while client.recv(1 << 20):
        pass
while True:
    threading.Thread(target=swallow, args=(server.accept()[0],), daemon=True).start()
"""


def _log_server(bench, peer, variant):
    """ALS goes to the HTTP/2 backend, OTLP to the HTTP one, fluentd's forward protocol to a socket that swallows it."""
    if variant in ("off", "file"):
        return run(bench, peer, Spec(upstream=bench.http_port, log=variant == "file"), ["--conns", 64])
    if variant != "fluentd":
        port = bench.http2_port if variant == "als" else bench.http_port
        return run(bench, peer, Spec(upstream=bench.http_port, log_server=variant, log_port=port), ["--conns", 64])
    port = free_port()
    with Process("sink", [sys.executable, "-c", _SINK.format(port=port)], bench.load_cpus, bench.directory) as sink:
        wait_until(sink, lambda: connects(port), "ready")
        return run(bench, peer, Spec(upstream=bench.http_port, log_server=variant, log_port=port), ["--conns", 64])


def _tracing(bench, peer, variant):
    return run(bench, peer, Spec(upstream=bench.http_port, tracing=variant == "on"), ["--conns", 64])


def _profiled(bench, peer, variant):
    return run(bench, peer, Spec(upstream=bench.http_port, profiled=variant == "on"), ["--conns", 64])


def _tcp_small(bench, peer, variant):
    return run(bench, peer, Spec(kind="tcp", upstream=bench.echo_port), ["--conns", 64, "--mode", "echo"])


def _tcp_bulk(bench, peer, variant):
    return run(bench, peer, Spec(kind="tcp", upstream=bench.bulk_port),
               ["--conns", 8, "--mode", "bulk", "--bulk", 1 << 20], unit_bytes=1 << 20)


# ---- routes ----

def _routes(count):
    def sample(bench, peer, variant):
        if variant == "of one":
            size, index = 1, 0
        elif variant == "first":
            size, index = count, 0
        else:
            kind = ("prefix", "exact", "regex", "header").index(variant.split()[1])
            size, index = count, count - 4 + kind
        path, headers = envoy_config.route_request(index)
        arguments = ["--conns", 64, "--path", path]
        for header in headers:
            arguments += ["--header", header]
        return run(bench, peer, Spec(upstream=bench.http_port, routes=size, routes_tested=(index,)), arguments)
    return sample


_ROUTE_VARIANTS = ("of one", "first", "last prefix", "last exact", "last regex", "last header")


# ---- workers, latency ----

def _workers(bench, peer, variant):
    """All processes may use both cores in both variants, and a worker has 64 connections in both:
    only the number of workers differs."""
    workers = int(variant.split()[0])
    both = frozenset(os.sched_getaffinity(0))
    return run(bench, peer, Spec(upstream=bench.http_port, workers=workers, cpus=both),
               ["--conns", 64 * workers], load_cpus=both)


def _calibrate(bench, peers):
    """Half of what the best peer reaches in a closed loop; Martlet and the floor do not set it."""
    best = 0.0
    for peer in bench.peers:
        if peer.name in ("haproxy", "nginx", "envoy") and not peer.missing:
            known = bench.closed_loop.get(peer.name) or [
                run(bench, peer, Spec(upstream=bench.http_port), ["--conns", 64])["per_second"]]
            best = max(best, statistics.median(known))
    if not best:
        raise Failure("the open loop's rate is half of the best peer's maximum, and no peer runs here")
    bench.rate = bench.options.rate or int(best / 2)


def _latency(bench, peer, variant):
    sample = run(bench, peer, Spec(upstream=bench.http_port), ["--conns", 64, "--rate", bench.rate])
    sample["rate"] = bench.rate
    sample["p99_us"] = sample["latency_us"]["p99"]
    return sample


# ---- TLS ----

def _handshake(key, resume=False):
    def sample(bench, peer, variant):
        if peer.name == "floor":
            return _handshake_floor(bench, key, resume)
        arguments = ["--conns", 32, "--close"] + (["--resume"] if resume else [])
        return run(bench, peer, Spec(upstream=bench.http_port, tls=key), arguments)
    return sample


def _handshake_floor(bench, key, resume):
    """OpenSSL alone: a reused context, no sockets, two tickets, one request and answer."""
    base = os.path.join(bench.certificates(key), key)
    argv = [os.path.join(bench.tools, "handshakes"), base + ".pem", base + ".key", "2", "2000"] + (["--resume"] if resume else [])
    done = subprocess.run(argv, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, bench.proxy_cpus))
    if done.returncode:
        raise Failure(done.stderr.strip())
    cpu = float(done.stdout)
    return {"cpu_us": cpu, "user_share": 1.0, "switches": 0.0, "per_second": 1e6 / cpu, "requests": 2000, "errors": {},
            "latency_us": {"p50": 0, "p99": 0, "p999": 0}, "first_bad_status": 0, "reconnects": 0, "upstream_connections": 0,
            "foreign_cpus": 0.0}


# ---- memory, start ----

def _idle(tls="", http2=False):
    return lambda bench, peer, variant: _idle_sample(bench, peer, tls, http2)


def _idle_sample(bench, peer, tls, http2):
    instance = bench.start(peer, Spec(upstream=bench.http_port, tls=tls, http2=http2))
    count = bench.options.idle_connections
    what = (["--tls"] if tls else []) + (["--http2"] if http2 else [])
    secure = bool(what)
    with instance.process as process:
        # Warm first: buffers and pools that any load brings do not count as the connections' own.
        with bench.load(instance.port, ["--conns", 64, "--seconds", 0.5, "--warmup", 0.5] + what, secure=secure) as load:
            await_ready(load)
            warm = go_and_read(load)
        time.sleep(0.3)
        before = resident_kib(process.pids())
        with bench.load(instance.port, ["--conns", count, "--mode", "idle"] + what, secure=secure) as load:
            await_ready(load)
            time.sleep(0.5)
            after = resident_kib(process.pids())
            result = go_and_read(load)
        process.check()
    errors = dict(result["errors"], **{"warm " + k: v for k, v in warm["errors"].items()})
    if result["open"] < count:
        errors["not_open"] = count - result["open"]
    return {"kib": (after - before) / max(1, result["open"]), "connections": result["open"],
            "resident_kib": after, "errors": errors}


def _clusters(bench, peer, variant):
    resident = []
    count = bench.options.clusters
    for clusters in (1, count):
        instance = bench.start(peer, Spec(upstream=bench.http_port, clusters=clusters))
        with instance.process as process:
            time.sleep(1.0)
            resident.append(resident_kib(process.pids()))
    return {"kib": (resident[1] - resident[0]) / (count - 1), "resident_kib": resident[1], "errors": {}}


def _allocation_count(path):
    with open(path, "rb") as f:
        return int.from_bytes(f.read(8), "little")


def _counting(bench, path):
    """The environment in which a program's allocations are counted in `path`, once a control has shown that they are."""
    environment = {"LD_PRELOAD": os.path.join(bench.tools, "allocations.so"), "MARTLET_ALLOCATIONS": path}
    seen = []
    for wanted in (0, 1, 1001):
        with open(path, "wb") as f:
            f.write(bytes(8))
        subprocess.run([os.path.join(bench.tools, "allocate"), str(wanted)], check=True, env=dict(os.environ, **environment))
        seen.append(_allocation_count(path) - wanted)
    if len(set(seen)) != 1:
        raise Failure(f"allocations are not counted here: {seen} beside 0, 1 and 1001 of them")
    with open(path, "wb") as f:
        f.write(bytes(8))
    return environment


def _allocations(bench, peer, variant):
    """Heap allocations of the whole process while two workers serve 100,000 requests with the heads, the log and the
    mutations of `headers`, after a warm-up."""
    path = os.path.join(bench.directory, "allocations")
    both = frozenset(os.sched_getaffinity(0))
    arguments = ["--conns", 64, "--seconds", 60, "--requests", 100000, "--warmup", 2, "--path", "/headers/edge",
                 "--require", "x-perf-served: martlet"]
    for line in REQUEST_HEADERS:
        arguments += ["--header", line]
    spec = Spec(upstream=bench.http_port, edge=True, workers=2, cpus=both, environment=_counting(bench, path))
    return _count_allocations(bench, peer, spec, path, arguments)


def _handshake_allocations(bench, peer, variant):
    """Heap allocations of the whole process for each connection with a full TLS 1.3 handshake (P-256) and one request. What
    OpenSSL gets from the worker's own lists (COpenSSL/memory.c) is no heap allocation: the count says what these miss."""
    path = os.path.join(bench.directory, "allocations")
    both = frozenset(os.sched_getaffinity(0))
    arguments = ["--conns", 32, "--seconds", 5, "--warmup", 2, "--close", "--tls"]
    spec = Spec(upstream=bench.http_port, tls="p256", cpus=both, environment=_counting(bench, path))
    return _count_allocations(bench, peer, spec, path, arguments, secure=True)


def _count_allocations(bench, peer, spec, path, arguments, secure=False):
    instance = bench.start(peer, spec)
    with instance.process as process, bench.load(instance.port, arguments, spec.cpus, secure=secure) as load:
        await_ready(load)
        before = _allocation_count(path)
        result = go_and_read(load)
        after = _allocation_count(path)
        process.check()
    if not before:
        raise Failure("no allocation was counted since the start: the library was not loaded")
    return {"per_request": (after - before) / result["requests"], "allocations": after - before,
            "requests": result["requests"], "errors": result["errors"]}


def _startup(bench, peer, variant):
    spec = bench.prepare(peer, Spec(upstream=bench.http_port))
    instance = peer.start(spec)
    with instance.process as process:
        instance.wait_ready(spec, pause=0.0005)
        ready = time.monotonic()
        time.sleep(0.5)
        resident = resident_kib(process.pids())
    return {"ms": (ready - instance.started) * 1000, "resident_mb": resident * 1024 / 1e6,
            "binary_mb": _stripped_bytes(bench, peer) / 1e6, "static": _is_static(peer.binary), "errors": {}}


def _stripped_bytes(bench, peer):
    known = bench.stripped.get(peer.name)
    if known is None:
        path = os.path.join(bench.directory, "stripped")
        if shutil.which("strip") and subprocess.run(["strip", "-s", "-o", path, peer.binary], capture_output=True).returncode == 0:
            known = os.path.getsize(path)
            os.unlink(path)
        else:
            known = os.path.getsize(peer.binary)
        bench.stripped[peer.name] = known
    return known


def _is_static(binary):
    """A dynamic program names its interpreter within the first page."""
    with open(binary, "rb") as f:
        return b"/ld-linux" not in f.read(4096)


SCENARIOS = [
    Scenario("keepalive", "Keep-alive, 64 connections, 100 B", "request", ALL, _http(["--conns", 64])),
    Scenario("headers", "16 request and 12 response headers (800 B each), JSON access log, a header set each way",
             "request", ALL, _headers),
    Scenario("access_log", "Keep-alive without and with a JSON access log of 12 fields", "request", PROXIES, _access_log,
             ("off", "on")),
    Scenario("log_servers", "Keep-alive without a log, with 12 JSON fields to a file, and to log servers (gRPC ALS, OTLP over HTTP, "
             "fluentd)", "request", ENVOY_LIKE, _log_server, ("off", "file", "als", "otel", "fluentd")),
    Scenario("tracing", "Keep-alive without and with OpenTelemetry spans of 1 % of the requests", "request", ENVOY_LIKE, _tracing,
             ("off", "on")),
    Scenario("profiled", "Keep-alive without and with a CPU profile of 100 samples a second", "request", ("martlet",), _profiled,
             ("off", "on")),
    Scenario("newconn", "A connection per request, keep-alive upstream", "request", ALL, _http(["--conns", 64, "--close"])),
    Scenario("body100k", "100 KiB responses", "request", ALL,
             _http(["--conns", 64, "--path", "/size/102400", "--expect", 102400])),
    Scenario("upload100k", "100 KiB uploads", "request", ALL, _http(["--conns", 64, "--path", "/upload", "--upload", 102400])),
    Scenario("tcp_small", "TCP, 100 B there and back", "round trip", ALL, _tcp_small),
    Scenario("tcp_bulk", "TCP, 1 MiB at a time, both directions in turn", "MiB", ALL, _tcp_bulk),
    Scenario("routes1k", "1,000 routes: prefix, exact, regex and header matches in turn", "request", ENVOY_LIKE,
             _routes(1000), _ROUTE_VARIANTS),
    Scenario("routes10k", "10,000 routes: prefix, exact, regex and header matches in turn", "request", ENVOY_LIKE,
             _routes(10000), _ROUTE_VARIANTS),
    Scenario("workers2", "Two workers against one, 64 connections per worker", "request",
             ("martlet", "haproxy", "nginx", "envoy"), _workers, ("1 worker", "2 workers")),
    Scenario("latency", "Open loop at half of the best peer's maximum", "request", ALL, _latency, main="p99_us",
             prepare=_calibrate),
    Scenario("https", "HTTPS keep-alive (P-256), 64 connections, 100 B", "request", PROXIES,
             _http(["--conns", 64], tls="p256")),
    Scenario("http2_tls", "HTTP/2 over TLS, 16 connections of 16 streams, 100 B", "request", PROXIES,
             _http(["--conns", 16, "--streams", 16], tls="p256", http2=True)),
    Scenario("http2", "HTTP/2 in cleartext, 16 connections of 16 streams, 100 B", "request", PROXIES,
             _http(["--conns", 16, "--streams", 16], http2=True)),
    Scenario("http2_upstream", "HTTP/1.1 keep-alive, 64 connections, to an upstream of HTTP/2, 100 B", "request",
             ("martlet", "haproxy", "envoy"), _http2_upstream(["--conns", 64])),
    Scenario("grpc_unary", "gRPC, 16 connections of 16 calls, a message of 100 B each way", "call", PROXIES,
             _http2_upstream(["--conns", 16, "--streams", 16, "--grpc", "unary"], http2=True, grpc=True)),
    Scenario("grpc_stream", "gRPC, 16 connections of 16 streams, messages of 100 B there and back", "message", PROXIES,
             _http2_upstream(["--conns", 16, "--streams", 16, "--grpc", "stream"], http2=True, grpc=True)),
    Scenario("handshake_p256", "TLS 1.3 handshake (P-256, X25519) and one request per connection; floor: OpenSSL alone",
             "connection", ALL, _handshake("p256")),
    Scenario("handshake_rsa", "The same with RSA-2048", "connection", ALL, _handshake("rsa2048")),
    Scenario("resumed", "Resumed TLS 1.3 handshake and one request per connection", "connection", ALL, _handshake("p256", True)),
    Scenario("idle", "Resident memory per idle keep-alive connection", "connection", ALL, _idle(), main="kib", rounds_max=3),
    Scenario("idle_tls", "Resident memory per idle TLS connection", "connection", PROXIES, _idle("p256"), main="kib", rounds_max=3),
    Scenario("idle_http2", "Resident memory per idle HTTP/2 connection, cleartext", "connection", PROXIES, _idle(http2=True),
             main="kib", rounds_max=3),
    Scenario("clusters2000", "Resident memory per static cluster", "cluster", ENVOY_LIKE, _clusters, main="kib", rounds_max=3),
    Scenario("allocations", "Heap allocations, whole process, 2 workers, 100,000 requests as in `headers`", "request",
             ("martlet",), _allocations, main="per_request", rounds_max=3),
    Scenario("handshake_allocations", "Heap allocations, whole process, full TLS 1.3 handshakes (P-256) with one request each",
             "connection", ("martlet",), _handshake_allocations, main="per_request", rounds_max=3),
    Scenario("startup", "Start to ready, resident memory, binary", "start", ALL, _startup, main="ms"),
]
