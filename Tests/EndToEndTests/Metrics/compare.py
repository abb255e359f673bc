#!/usr/bin/env python3
"""Sends known numbers of requests over each upstream connection of Martlet (and Envoy), which is what the histogram
upstream_rq_per_cx counts, reads every form of the statistics strictly, and compares the two.

    compare.py UPSTREAM LISTENER ADMIN [LISTENER ADMIN]      prints one line per fault, then "done"
"""
import http.client
import http.server
import json
import random
import socketserver
import sys
import threading
import time
import urllib.request

import metrics
from prometheus_client.parser import text_string_to_metric_families

PROTOBUF = "application/vnd.google.protobuf"
faults = 0


def check(condition, text):
    global faults
    if not condition:
        faults += 1
        if faults < 20:
            print("fault:", text)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        if self.path.endswith("?last"):
            self.send_header("connection", "close")
            self.close_connection = True
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def sizes():
    chance = random.Random(7)
    return [
        [1] * 5,
        [1, 2, 3, 9, 10, 11],
        [100, 101, 109, 110],
        [chance.randint(1, 60) for _ in range(40)],
        [50] * 3 + [51, 59, 7],
    ]


def feed(port):
    client = http.client.HTTPConnection("127.0.0.1", port)
    for number, lengths in enumerate(sizes()):
        for length in lengths:
            for request in range(length):
                client.request("GET", f"/{number}" + ("?last" if request == length - 1 else ""))
                check(client.getresponse().read() == b"", "an answer has a body")


def get(port, path, accept=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"accept": accept} if accept else {})
    with urllib.request.urlopen(request) as answer:
        return answer.headers["content-type"], answer.read()


def settled(port):
    """Every histogram has all its samples: the flush has happened."""
    wanted = [len(lengths) for lengths in sizes()]
    for _ in range(200):
        _, body = get(port, "/stats/prometheus?filter=cluster.c..upstream_rq_per_cx")
        counts = [line.rsplit(" ", 1)[1] for line in body.decode().splitlines() if "_count{" in line]
        if [int(count) for count in counts] == wanted:
            break
        time.sleep(0.05)
    else:
        check(False, f"histograms have {counts}, not {wanted}")


def read_text(port, query):
    """The text as Prometheus's own parser reads it: samples by name and labels, each once."""
    kind, body = get(port, "/stats/prometheus" + query)
    check(kind == "text/plain; charset=UTF-8", kind)
    samples = {}
    names = set()
    for family in text_string_to_metric_families(body.decode()):
        # The parser calls every counter …_total, so that a counter of that name already shares a family with it.
        check((family.name, family.type) not in names or family.type == "counter", f"{family.name} comes twice")
        names.add((family.name, family.type))
        check(family.type in ("counter", "gauge", "histogram", "summary"), f"{family.name} is {family.type}")
        check(family.samples, f"{family.name} has no samples")
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            check(key not in samples, f"{key} comes twice")
            samples[key] = sample.value
    check(len(samples) == sum(not line.startswith("#") for line in body.decode().splitlines()), "lines were lost")
    for (name, labels), value in samples.items():
        if name.endswith("_bucket") and ("le", "+Inf") in labels:
            rest = tuple(label for label in labels if label[0] != "le")
            check(samples[(name[:-7] + "_count", rest)] == value, f"{name}{labels}: +Inf is not the count")
    return samples


def read_protobuf(port, query):
    """The same out of the messages."""
    kind, body = get(port, "/stats/prometheus" + query, PROTOBUF)
    check(kind == PROTOBUF + "; proto=io.prometheus.client.MetricFamily; encoding=delimited", kind)
    samples = {}
    for family in metrics.families(body):
        for metric in family.metric:
            labels = {pair.name: pair.value for pair in metric.label}
            check(len(labels) == len(metric.label), f"{family.name}: a label comes twice")

            def put(name, value, **more):
                key = (name, tuple(sorted({**labels, **more}.items())))
                check(key not in samples, f"{key} comes twice")
                samples[key] = value

            if family.type == 0:
                put(family.name.removesuffix("_total") + "_total", metric.counter.value)
            elif family.type == 1:
                put(family.name, metric.gauge.value)
            elif family.type == 2:
                for quantile in metric.summary.quantile:
                    put(family.name, quantile.value, quantile="%.6g" % quantile.quantile)
                put(family.name + "_sum", metric.summary.sample_sum)
                put(family.name + "_count", metric.summary.sample_count)
            else:
                check(family.type == 4, f"{family.name} has the type {family.type}")
                for bucket in metric.histogram.bucket:
                    put(family.name + "_bucket", bucket.cumulative_count, le="%.32g" % bucket.upper_bound)
                put(family.name + "_bucket", metric.histogram.sample_count, le="+Inf")
                put(family.name + "_sum", metric.histogram.sample_sum)
                put(family.name + "_count", metric.histogram.sample_count)
    return samples


MOVES = ("uptime", "memory", "admin", "length_ms", "_plan_", "recent_lookups", "filesystem", "http1", "total_connections")


def steady(samples):
    return {key: value for key, value in samples.items() if not any(word in str(key) for word in MOVES) and value == value}


def read_strictly(port):
    for query in ("", "?usedonly", "?text_readouts", "?histogram_buckets=summary", "?histogram_buckets=cumulative",
                  "?filter=cluster", "?filter=cluster&invert_filter", "?filter=nothing"):
        text = read_text(port, query)
        protobuf = read_protobuf(port, query)
        check(set(text) == set(protobuf) or "usedonly" in query, f"{query}: {set(text) ^ set(protobuf)}")
        left, right = steady(text), steady(protobuf)
        check(left == right, f"{query}: {[(k, left.get(k), right.get(k)) for k in left if left[k] != right.get(k)][:5]}")
    for family in metrics.families(get(port, "/stats/prometheus?histogram_buckets=prometheusnative", PROTOBUF)[1]):
        for metric in family.metric:
            if family.type != 4:
                continue
            native = metric.histogram
            total, count = native.zero_count, 0
            for delta in native.positive_delta:
                count += delta
                total += count
            check(total == native.sample_count, f"{family.name}: buckets hold {total} of {native.sample_count}")
            check(sum(span.length for span in native.positive_span) == len(native.positive_delta), family.name)
            check(len(native.positive_delta) <= 20, family.name)
    json.loads(get(port, "/stats?format=json")[1])
    json.loads(get(port, "/stats?format=json&histogram_buckets=detailed")[1])


def compare(own, envoy):
    name = "filter=cluster.c..upstream_rq_per_cx"
    queries = [f"/stats?{name}&histogram_buckets={mode}" for mode in ("cumulative", "disjoint", "detailed", "summary", "none")]
    queries += [query + "&format=json" for query in queries] + [f"/stats/prometheus?{name}"]
    for query in queries:
        mine, theirs = get(own, query), get(envoy, query)
        # What the last interval holds depends on when it began.
        if "interval" in str(theirs) or "cumulative" in query or "disjoint" in query or "P0(" in str(theirs):
            mine, theirs = without_intervals(mine), without_intervals(theirs)
        check(mine == theirs, f"{query}\n{mine}\n{theirs}")
    for mode in ("", "cumulative", "prometheusnative"):
        query = f"/stats/prometheus?{name}&histogram_buckets={mode}"
        mine, theirs = get(own, query, PROTOBUF), get(envoy, query, PROTOBUF)
        check(mine == theirs, f"{query} as protobuf:\n{readable(mine[1])}\n{readable(theirs[1])}")
    for accept in (PROTOBUF, PROTOBUF + ";q=0.1,text/plain", "text/plain;q=0.1," + PROTOBUF, "*/*," + PROTOBUF, "x" + PROTOBUF,
                   PROTOBUF.upper(), "*/*", "text/html, " + PROTOBUF + " ; a=b", "application/openmetrics-text"):
        query = "/stats/prometheus?filter=server.live"
        check(get(own, query, accept) == get(envoy, query, accept), f"accept: {accept}")
    # A histogram without samples, every form of it.
    for mode in ("", "summary", "prometheusnative"):
        query = f"/stats/prometheus?filter=cluster.quiet.upstream_cx_connect_ms&histogram_buckets={mode}"
        mine, theirs = readable(get(own, query, PROTOBUF)[1]), readable(get(envoy, query, PROTOBUF)[1])
        check(mine == theirs, f"{query}:\n{mine}\n{theirs}")


def readable(data):
    """As text: not a number has many forms."""
    return "; ".join(" ".join(str(family).split()) for family in metrics.families(data))


def without_intervals(answer):
    import re
    text = answer[1].decode()
    text = re.sub(r'"interval":[^,}]*', "", text)
    text = re.sub(r"\([^,()]*,", "(", text)
    text = re.sub(r"intervals=.*", "", text)
    text = re.sub(r'"intervals":\[.*?\]', "", text)
    return answer[0], text


def main():
    upstream, *ports = [int(argument) for argument in sys.argv[1:]]
    server = Server(("127.0.0.1", upstream), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pairs = list(zip(ports[::2], ports[1::2]))
    for listener, admin in pairs:
        feed(listener)
    for _, admin in pairs:
        settled(admin)
    read_strictly(pairs[0][1])
    if len(pairs) > 1:
        compare(pairs[0][1], pairs[1][1])
    print("done" if faults == 0 else f"{faults} faults")


main()
