"""Samples to Markdown and JSON."""

import datetime
import json
import os
import platform
import statistics

from .gates import best_peer, find, median, ratio, values


def _number(value, digits=2):
    if value is None:
        return "–"
    return f"{value:,.{digits}f}" if abs(value) < 1000 else f"{value:,.0f}"


def _spread(case, key, digits=2):
    found = values(case, key)
    if not found:
        return "–"
    return f"{_number(statistics.median(found), digits)} ({_number(min(found), digits)}–{_number(max(found), digits)})"


def _errors(case):
    total = {}
    for sample in case.samples:
        for sort, count in sample["errors"].items():
            total[sort] = total.get(sort, 0) + count if isinstance(count, int) else count
    if case.failure:
        total["failed"] = case.failure
    return ", ".join(f"{sort} {count}" for sort, count in total.items()) or "0"


def _references(cases, case, key):
    """Ratios to the floor, to the best peer and to Envoy, each in the case's own variant."""
    return [_number(ratio(case, reference, key)) for reference in
            (find(cases, "floor", case.variant), best_peer(cases, key, case.variant), find(cases, "envoy", case.variant))]


def _variant_table(scenario, cases):
    """Variants of one peer against its own first: routes against the first of one, workers against one."""
    own = {c.peer.name: c for c in reversed(cases) if c.variant == scenario.variants[0]}
    columns = [f"CPU µs per {scenario.unit}: median (min–max)", f"× own {scenario.variants[0]}", "× Envoy", "user %",
               "per second", "p50 µs", "p99 µs", "errors"]
    rows = []
    for case in cases:
        users = [u for u in values(case, "user_share") if u is not None]
        rows.append([case.label, _spread(case, "cpu_us"), _number(ratio(case, own.get(case.peer.name), "cpu_us")),
                     _number(ratio(case, find(cases, "envoy", case.variant), "cpu_us")),
                     _number(statistics.median(users) * 100, 0) if users else "–", _number(median(case, "per_second"), 0),
                     *[_number(median(case, f"latency_us.{p}"), 0) for p in ("p50", "p99")], _errors(case)])
    return columns, rows


def _cpu_table(scenario, cases):
    columns = [f"CPU µs per {scenario.unit}: median (min–max)", "× floor", "× best peer", "× Envoy", "user %", "switches",
               "upstream connections", "per second", "p50 µs", "p99 µs", "p99.9 µs", "errors"]
    rows = []
    for case in cases:
        users = [u for u in values(case, "user_share") if u is not None]
        rows.append([case.label, _spread(case, "cpu_us"), *_references(cases, case, "cpu_us"),
                     _number(statistics.median(users) * 100, 0) if users else "–", _number(median(case, "switches")),
                     _number(median(case, "upstream_connections"), 0),
                     _number(median(case, "per_second"), 0), *[_number(median(case, f"latency_us.{p}"), 0) for p in ("p50", "p99", "p999")],
                     _errors(case)])
    return columns, rows


def _latency_table(scenario, cases):
    columns = ["p99 µs: median (min–max)", "× best peer", "p99.9 µs: median (min–max)", "× best peer", "p50 µs",
               "CPU µs per request", "rate", "errors"]
    p99, p999 = best_peer(cases, "latency_us.p99"), best_peer(cases, "latency_us.p999")
    return columns, [[case.label, _spread(case, "latency_us.p99", 0), _number(ratio(case, p99, "latency_us.p99")),
                      _spread(case, "latency_us.p999", 0), _number(ratio(case, p999, "latency_us.p999")),
                      _number(median(case, "latency_us.p50"), 0), _number(median(case, "cpu_us")),
                      _number(median(case, "rate"), 0), _errors(case)] for case in cases]


def _memory_table(scenario, cases):
    columns = [f"KiB per {scenario.unit}: median (min–max)", "× Envoy", "resident MiB with them", "errors"]
    envoy = find(cases, "envoy")
    rows = []
    for case in cases:
        resident = median(case, "resident_kib")
        rows.append([case.label, _spread(case, "kib"), _number(ratio(case, envoy, "kib")),
                     _number(resident / 1024 if resident else None, 1), _errors(case)])
    return columns, rows


def _start_table(scenario, cases):
    columns = ["ms to ready: median (min–max)", "resident MB", "binary MB, stripped", "linked", "errors"]
    return columns, [[case.label, _spread(case, "ms", 1), _number(median(case, "resident_mb"), 1), _number(median(case, "binary_mb"), 1),
                      "–" if not case.samples else "static" if case.samples[0]["static"] else "dynamic", _errors(case)] for case in cases]


def _allocations_table(scenario, cases):
    columns = ["per request: median (min–max)", "in all", "requests", "errors"]
    return columns, [[case.label, _spread(case, "per_request", 5), _number(median(case, "allocations"), 0),
                      _number(median(case, "requests"), 0), _errors(case)] for case in cases]


_TABLES = {"allocations": _allocations_table, "handshake_allocations": _allocations_table, "latency": _latency_table, "clusters2000": _memory_table, "startup": _start_table,
           "idle": _memory_table, "idle_tls": _memory_table, "idle_http2": _memory_table}


def _table(scenario):
    return _TABLES.get(scenario.name) or (_variant_table if len(scenario.variants) > 1 else _cpu_table)


def markdown_table(columns, rows):
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def scenario_section(scenario, cases):
    text = f"### {scenario.name}: {scenario.title}\n\n"
    text += markdown_table(*_table(scenario)(scenario, cases)) + "\n"
    foreign = [s["foreign_cpus"] for c in cases for s in c.samples if "foreign_cpus" in s]
    if foreign:
        text += f"\nForeign load while measuring: {statistics.median(foreign):.2f} CPUs in the median, {max(foreign):.2f} at most.\n"
    return text


def gate_section(verdicts):
    rows = [[gate.scenario, gate.what, _number(value, 3), gate.gate, gate.goal, verdict] for gate, value, verdict in verdicts]
    table = "\n".join(["| scenario | figure | Martlet | gate | goal | reached |", "|---|---|---:|---:|---:|---|"] +
                      ["| " + " | ".join(str(c) for c in row) + " |" for row in rows])
    return f"### Gates\n\n{table}\n"


def machine(peers, options):
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "kernel": platform.release(), "cpu": cpu, "cpus": os.cpu_count(), "load_average": os.getloadavg(),
        "options": vars(options),
        "peers": {p.name: p.missing or p.version() for p in peers},
    }


def head_section(facts):
    o = facts["options"]
    text = (f"## perf/compare, {facts['date']}\n\n{facts['cpu']}, {facts['cpus']} CPUs, Linux {facts['kernel']}, "
            f"load average at the start {facts['load_average'][0]:.2f}. {o['rounds']} rounds of {o['seconds']} s "
            f"after {o['warmup']} s of warm-up; peer on CPU 0, load and backend on CPU 1.\n\n")
    return text + "\n".join(f"* {name}: {version}" for name, version in facts["peers"].items()) + "\n"


def write_results(directory, facts, results, verdicts, text):
    os.makedirs(directory, exist_ok=True)
    stamp = facts["date"][:19].replace(":", "").replace("-", "")
    data = dict(facts, scenarios={
        name: [{"peer": c.peer.name, "variant": c.variant, "failure": c.failure, "samples": c.samples} for c in cases]
        for name, cases in results.items()})
    data["gates"] = [{"scenario": g.scenario, "figure": g.what, "value": v, "gate": g.gate, "goal": g.goal, "reached": verdict}
                     for g, v, verdict in verdicts]
    for ending, body in (("json", json.dumps(data, indent=1)), ("md", text)):
        with open(os.path.join(directory, f"{stamp}.{ending}"), "w") as f:
            f.write(body)
        latest = os.path.join(directory, f"latest.{ending}")
        if os.path.lexists(latest):
            os.unlink(latest)
        os.symlink(f"{stamp}.{ending}", latest)
    return os.path.join(directory, stamp)
