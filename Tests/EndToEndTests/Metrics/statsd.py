#!/usr/bin/env python3
"""An independent reader of StatsD, DogStatsD and Graphite lines, over UDP and TCP.

    statsd.py udp|tcp PORT plain|dog|graphite BYTES SECONDS     prints JSON: sums of counters, last gauges, samples, faults
"""
import json
import re
import signal
import socket
import sys
import time

SHAPES = {
    "plain": r"(?P<name>[^:|;#\n]+):(?P<value>\d+)\|(?P<kind>c|g|ms|h)(\|@(?P<rate>[0-9.e-]+))?",
    "dog": r"(?P<name>[^:|;#\n]+):(?P<value>\d+)\|(?P<kind>c|g|ms|h)(\|@(?P<rate>[0-9.e-]+))?(\|#(?P<tags>[^|\n]+))?",
    "graphite": r"(?P<name>[^:|;#\n]+)(;(?P<tags>[^|\n]+?))?:(?P<value>\d+)\|(?P<kind>c|g|ms|h)(\|@(?P<rate>[0-9.e-]+))?",
}
result = {"counters": {}, "gauges": {}, "samples": {}, "faults": [], "datagrams": 0, "largest": 0, "lines": 0, "connections": 0}


def take(line, shape):
    found = re.fullmatch(SHAPES[shape], line)
    if not found:
        result["faults"].append(line)
        return
    result["lines"] += 1
    name, value = found["name"], int(found["value"])
    tags = found.groupdict().get("tags")
    if tags:
        name += "{" + tags.replace(";", ",").replace("=", ":") + "}"
    if found["kind"] == "c":
        result["counters"][name] = result["counters"].get(name, 0) + value
    elif found["kind"] == "g":
        result["gauges"][name] = value
    else:
        count = round(1 / float(found["rate"])) if found["rate"] else 1
        result["samples"].setdefault(name, []).extend([value] * count)


def over_udp(port, shape, limit, end):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inlet:
        inlet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        inlet.bind(("127.0.0.1", port))
        inlet.settimeout(0.1)
        print("ready", flush=True)
        while time.time() < end():
            try:
                data = inlet.recv(65536)
            except socket.timeout:
                continue
            result["datagrams"] += 1
            result["largest"] = max(result["largest"], len(data))
            lines = data.decode().split("\n")
            if limit and len(data) > limit and len(lines) > 1:
                result["faults"].append(f"a datagram of {len(data)} bytes")
            if not limit and len(lines) != 1:
                result["faults"].append("more than a line")
            for line in lines:
                take(line, shape)


def over_tcp(port, shape, end):
    with socket.create_server(("127.0.0.1", port)) as inlet:
        inlet.settimeout(0.1)
        print("ready", flush=True)
        while time.time() < end():
            try:
                client, _ = inlet.accept()
            except socket.timeout:
                continue
            result["connections"] += 1
            client.settimeout(0.1)
            rest = b""
            while time.time() < end():
                try:
                    data = client.recv(65536)
                except socket.timeout:
                    continue
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    take(line.decode(), shape)
            if rest:
                result["faults"].append(f"cut: {rest}")
            client.close()


def main():
    kind, port, shape, limit, seconds = sys.argv[1:]
    ends = [time.time() + float(seconds)]
    # Whoever started this says when it is enough: what is on its way then is read, too.
    signal.signal(signal.SIGTERM, lambda *_: ends.__setitem__(0, time.time() + 0.5))
    if kind == "udp":
        over_udp(int(port), shape, int(limit), lambda: ends[0])
    else:
        over_tcp(int(port), shape, lambda: ends[0])
    print(json.dumps(result), flush=True)


main()
