"""One measurement: a fresh peer, a warm-up, a run between two readings of its CPU clock."""

import json
import os
import re
import subprocess
import tempfile
import time

from .process import Failure, Process, Usage, connects, free_port, http_get, machine_busy_us, wait_until

# 16 request headers of 800 bytes with their line ends, `Host: perf.test` (sent by the load generator) included.
REQUEST_HEADERS = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: https://perf.test/catalogue/page/17",
    "Cookie: session=3c9f0f6e2b1d4a7f8e5c6b7a90817263; theme=dark; consent=all",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-User: ?1",
    "Cache-Control: max-age=0",
    "DNT: 1",
    "Priority: u=0, i",
]
_used = sum(len(line) + 2 for line in REQUEST_HEADERS + ["Host: perf.test", "X-Trace: "])
REQUEST_HEADERS.append("X-Trace: " + "b" * (800 - _used))


class Bench:
    """What all runs share: the tools, the backend, the settings, a directory that goes away."""

    def __init__(self, tools, options):
        self.tools = tools
        self.options = options
        self.proxy_cpus = frozenset({0})
        self.load_cpus = frozenset({1}) if os.cpu_count() > 1 else frozenset({0})
        self._directory = tempfile.TemporaryDirectory(prefix="martlet-perf-")
        self.directory = self._directory.name
        self.http_port, self.echo_port, self.bulk_port, self.http2_port = free_port(), free_port(), free_port(), free_port()
        self.backend = self.http2_backend = None
        self.peers = []
        self.closed_loop = {}  # peer name: requests per second of the keepalive scenario, one per round
        self.stripped = {}     # peer name: size of its stripped binary

    def __enter__(self):
        argv = [os.path.join(self.tools, "backend")] + [str(p) for p in (self.http_port, self.echo_port, self.bulk_port)]
        self.backend = Process("backend", argv, self.load_cpus, self.directory)
        self.http2_backend = Process("h2backend", [os.path.join(self.tools, "h2backend"), str(self.http2_port)], self.load_cpus,
                                     self.directory)
        wait_until(self.backend, lambda: http_get(self.http_port, "/")[0] == 200, "ready")
        wait_until(self.http2_backend, lambda: connects(self.http2_port), "ready")
        return self

    def __exit__(self, *_):
        self.backend.stop()
        self.http2_backend.stop()
        self._directory.cleanup()

    def upstream_accepted(self):
        """HTTP connections that the backend has accepted so far: shows who keeps them alive."""
        return int(http_get(self.http_port, "/accepted")[1] or 0)

    def prepare(self, peer, spec):
        """A directory of its own for every start: no log or socket of an earlier life."""
        if peer.missing:
            raise Failure(peer.missing)
        spec.directory = tempfile.mkdtemp(prefix=peer.name + "-", dir=self.directory)
        os.chmod(spec.directory, 0o755)
        spec.certificates = self.certificates(spec.tls) if spec.tls else ""
        spec.log_path = os.path.join(spec.directory, "access.json")
        spec.lean = self.options.lean
        spec.nginx_defaults = self.options.nginx_defaults
        return spec

    def start(self, peer, spec):
        instance = peer.start(self.prepare(peer, spec))
        try:
            instance.wait_ready(spec)
        except BaseException:
            instance.process.stop()
            raise
        return instance

    def certificates(self, kind):
        """A directory with KIND.pem, KIND.key and both in KIND.both, self-signed, of this run."""
        base = os.path.join(self.directory, kind)
        if not os.path.exists(base + ".both"):
            key = {"p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa2048": ["rsa:2048"]}[kind]
            try:
                subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=perf.test", "-keyout", base + ".key",
                                "-out", base + ".pem", "-newkey"] + key, check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError) as error:
                raise Failure(f"openssl makes no certificate: {error}") from error
            with open(base + ".both", "w") as both:
                for part in (".pem", ".key"):
                    with open(base + part) as f:
                        both.write(f.read())
        return self.directory

    def load(self, port, arguments, cpus=None, secure=False):
        argv = [os.path.join(self.tools, "secure" if secure else "load"), "--port", str(port)] + [str(a) for a in arguments]
        return Process("load", argv, cpus or self.load_cpus, self.directory, stdout=subprocess.PIPE, stdin=subprocess.PIPE)


def await_ready(load):
    line = load.popen.stdout.readline()
    if line != b"ready\n":
        raise Failure(f"load generator: {load.last_words()}")


def go_and_read(load):
    load.popen.stdin.write(b"go\n")
    load.popen.stdin.flush()
    line = load.popen.stdout.readline()
    if not line:
        raise Failure(f"load generator: {load.last_words()}")
    return json.loads(line)


def run(bench, peer, spec, arguments, unit_bytes=0, load_cpus=None, seconds=None):
    """One sample. `unit_bytes`: CPU per that many bytes instead of per request."""
    instance = bench.start(peer, spec)
    with instance.process as process:
        if spec.profiled and http_get(instance.admin_port, "/cpuprofiler?enable=y", method="POST")[0] != 200:
            raise Failure(f"{process.name} does not profile")
        phase = ["--seconds", seconds or bench.options.seconds, "--warmup", bench.options.warmup]
        if spec.tls:
            arguments = arguments + ["--tls"]
        if spec.http2:
            arguments = arguments + ["--http2"]
        with bench.load(instance.port, phase + arguments, load_cpus, secure=spec.tls or spec.http2) as load:
            await_ready(load)
            pids, accepted = process.pids(), bench.upstream_accepted()
            ours = pids + [load.pid, bench.backend.pid, bench.http2_backend.pid]
            busy, ours_before, before, at = machine_busy_us(), Usage(ours), Usage(pids), time.monotonic()
            result = go_and_read(load)
            after, ours_after, wall = Usage(pids), Usage(ours), time.monotonic() - at
            foreign = machine_busy_us() - busy - ours_after.since(ours_before)[0]
            accepted = bench.upstream_accepted() - accepted - 1
        if process.pids() != pids:
            raise Failure(f"{process.name} replaced a process during the run: its CPU time is lost")
        process.check()
        spans = _spans_sent(instance.admin_port) if spec.tracing else 0
        lost = _lines_lost(instance.admin_port, spec.log_server, result["requests"]) if spec.log_server else {}
    units = result["bytes"] / unit_bytes if unit_bytes else result["requests"]
    if not units:
        raise Failure(f"no request succeeded: {result['errors']}, first status {result['first_bad_status']}")
    cpu, user, switches = after.since(before)
    sample = {
        "cpu_us": cpu / units,
        "user_share": user,
        "switches": switches / units,
        "per_second": result["requests"] / result["seconds"],
        "requests": result["requests"],
        "latency_us": result["latency_us"],
        "errors": result["errors"],
        "first_bad_status": result["first_bad_status"],
        "reconnects": result["reconnects"],
        "resumed": result["resumed"] / max(1, result["handshakes"]) if "resumed" in result else None,
        "upstream_connections": accepted,
        "foreign_cpus": max(0.0, foreign / 1e6 / wall),
    }
    if (spec.log or spec.edge) and peer.name != "floor":
        sample["errors"].update(_check_log(spec.log_path, result["requests"]))
    sample["errors"].update(lost)
    if spec.tracing and spans < result["requests"] // 200:
        sample["errors"]["spans_missing"] = result["requests"] // 200 - spans
    return sample


def _spans_sent(admin_port):
    """Spans that the tracer says it has sent."""
    _, body = http_get(admin_port, "/stats?filter=spans_sent")
    return sum(int(count) for count in re.findall(rb"spans_sent: (\d+)", body))


_LOG_COUNTERS = {
    "als": (r"grpc_access_log\.logs_written", r"grpc_access_log\.logs_dropped"),
    "otel": (r"open_telemetry_access_log\.perf\.logs_written", r"open_telemetry_access_log\.perf\.logs_dropped"),
    "fluentd": (r"fluentd\.perf\.entries_buffered", r"fluentd\.perf\.entries_lost"),
}


def _lines_lost(admin_port, kind, requests):
    """A line that is not sent costs nothing: what the proxy says of them. The last second's lines may still wait."""
    written, dropped = _LOG_COUNTERS[kind]
    _, body = http_get(admin_port, "/stats?filter=access_log")

    def count(name):
        return sum(int(n) for n in re.findall(rb"access_logs\." + name.encode() + rb": (\d+)", body))

    errors = {}
    # Before its first connection is there a server may miss a few.
    if count(dropped) > requests // 1000:
        errors["log_lines_dropped"] = count(dropped)
    if count(written) < requests // 2:
        errors["log_lines_missing"] = requests - count(written)
    return errors


def _check_log(path, requests):
    """Each request has its line, and the lines are JSON: a log that was not written costs nothing."""
    try:
        with open(path, "rb") as f:
            last, lines = b"", 0
            for line in f:
                last, lines = line, lines + 1
        os.unlink(path)
        json.loads(last)
    except (OSError, ValueError) as problem:
        return {"log": f"{problem}"}
    return {} if lines >= requests else {"log_lines_missing": requests - lines}
