// Names, rates, quantiles, histories.

import test from "node:test";
import assert from "node:assert/strict";
import { load, plain, shot } from "./support.mjs";

const { split, sanitized } = await load("names.js");
const { attributed, configuredListeners, perSecond, health } = await load("model.js");
const { difference, quantile, merged, total } = await load("quantiles.js");
const { History, latencySource, parts, pointsMax, subjectsMax } = await load("history.js");
const { link, linked } = await load("link.js");
const { findings } = await load("rules.js");
const format = await load("format.js");
const { nice } = await load("plot.js");

test("names are taken apart, with dots in what they are of", () => {
  const cases = {
    "cluster.payments.upstream_rq_total": ["cluster", "payments", "upstream_rq_total"],
    "cluster.a.b.upstream_rq_503": ["cluster", "a.b", "upstream_rq_503"],
    "cluster.a.circuit_breakers.default.rq_open": ["cluster", "a", "circuit_breakers.default.rq_open"],
    "cluster.a.external.upstream_rq_2xx": ["cluster", "a", "external.upstream_rq_2xx"],
    "listener.127.0.0.1_80.downstream_cx_active": ["listener", "127.0.0.1_80", "downstream_cx_active"],
    "listener.127.0.0.1_80.http.in.downstream_rq_2xx": ["listener", "127.0.0.1_80", "http.downstream_rq_2xx"],
    "listener.l.ssl.handshake": ["listener", "l", "ssl.handshake"],
    "listener.[__1]_80.worker_0.downstream_cx_active": ["listener", "[__1]_80", "worker_0.downstream_cx_active"],
    "http.in.downstream_rq_total": ["http", "in", "downstream_rq_total"],
    "tcp.db.downstream_cx_total": ["tcp", "db", "downstream_cx_total"],
    "http.in.ssl.public.downstream_rq_total": ["http", "in.ssl.public", "downstream_rq_total"],
    "http.edge.rds.main.no_route": ["http", "edge.rds.main", "no_route"],
    "tcp.db.tracing.x.downstream_cx_total": ["tcp", "db.tracing.x", "downstream_cx_total"],
    "listener.edge.ssl.public.downstream_cx_total": ["listener", "edge.ssl.public", "downstream_cx_total"],
    "listener.edge.ssl.public.ssl.fail_verify_error": ["listener", "edge.ssl.public", "ssl.fail_verify_error"],
    "listener.edge.ssl.public.http.in.downstream_rq_5xx": ["listener", "edge.ssl.public", "http.downstream_rq_5xx"],
    "cluster.reviews.default.svc.cluster.local.upstream_rq_total": ["cluster", "reviews.default.svc.cluster.local", "upstream_rq_total"],
    "cluster.outbound|80||reviews.default.svc.cluster.local.circuit_breakers.high.rq_open":
      ["cluster", "outbound|80||reviews.default.svc.cluster.local", "circuit_breakers.high.rq_open"],
    "access_logs.fluentd.x.entries_lost": ["process", "", "access_logs.fluentd.x.entries_lost"],
    "server.uptime": ["process", "", "server.uptime"],
  };
  for (const [name, [kind, subject, leaf]] of Object.entries(cases)) {
    const found = split(name);
    assert.deepEqual([found.kind, found.subject, found.leaf], [kind, subject, leaf], name);
  }
  assert.equal(sanitized("outbound|80||a:b"), "outbound|80||a_b");
  assert.equal(sanitized("http://a:80"), "http_a_80");
});

test("names of the configuration end where it says, whatever words they have", () => {
  const known = {
    cluster: new Set(["api", "api.internal.example.com", "reviews.default.svc.cluster.local", "shop.canary", "db.retry", "a.external.upstream_x"]),
    listener: new Set(["edge", "edge.worker_1", "own.http.in"]),
  };
  const cases = {
    "cluster.reviews.default.svc.cluster.local.upstream_rq_total": ["cluster", "reviews.default.svc.cluster.local", "upstream_rq_total"],
    "cluster.api.internal.example.com.internal.upstream_rq_2xx": ["cluster", "api.internal.example.com", "internal.upstream_rq_2xx"],
    "cluster.api.internal.upstream_rq_2xx": ["cluster", "api", "internal.upstream_rq_2xx"],
    "cluster.api.zone.a.b.upstream_rq_2xx": ["cluster", "api", "zone.a.b.upstream_rq_2xx"],
    "cluster.shop.canary.upstream_rq_total": ["cluster", "shop.canary", "upstream_rq_total"],
    "cluster.db.retry.upstream_rq_5xx": ["cluster", "db.retry", "upstream_rq_5xx"],
    "cluster.a.external.upstream_x.circuit_breakers.default.cx_open": ["cluster", "a.external.upstream_x", "circuit_breakers.default.cx_open"],
    "cluster.gone.upstream_rq_total": ["cluster", "gone", "upstream_rq_total"],
    "listener.edge.worker_1.downstream_cx_active": ["listener", "edge.worker_1", "downstream_cx_active"],
    "listener.edge.worker_0.downstream_cx_active": ["listener", "edge", "worker_0.downstream_cx_active"],
    "listener.edge.http.a.http.b.downstream_rq_2xx": ["listener", "edge", "http.downstream_rq_2xx"],
    "listener.own.http.in.downstream_cx_total": ["listener", "own.http.in", "downstream_cx_total"],
    "listener.admin.downstream_cx_active": ["listener", "admin", "downstream_cx_active"],
  };
  for (const [name, expected] of Object.entries(cases)) {
    const found = split(name, known);
    assert.deepEqual([found.kind, found.subject, found.leaf], expected, name);
  }
});

test("clusters as Kubernetes and Istio name them have plots and rules", () => {
  const clusters = ["reviews.default.svc.cluster.local", "outbound|80|v1|reviews.default.svc.cluster.local", "api.internal.example.com", "a.ssl.b.retry.c", "shop.canary"];
  for (const name of clusters) {
    const at = (seconds, n) => shot(seconds, {
      stats: { [`cluster.${name}.upstream_rq_total`]: n, [`cluster.${name}.upstream_rq_5xx`]: n, [`cluster.${name}.upstream_rq_503`]: n },
      histograms: { [`cluster.${name}.upstream_rq_time`]: [{ lower_bound: 5, width: 1, count: n }] }, clusters: { [name]: [{ port: 1 }] },
    });
    const [before, now] = [at(0, 0), at(10, 100)];
    const history = new History();
    history.add(undefined, before);
    history.add(before, now);
    const [point] = history.get("cluster:" + name);
    assert.deepEqual([point.requests, point.share5xx, point.p50], [10, 1, 5.5], name);
    assert.deepEqual(findings(before, now).map((one) => plain(`${one.subject}: ${one.phrase}`)), [`${name}: 503 rate 100 %`]);
  }
});

test("a cluster's statistics have its alt_stat_name", () => {
  const at = (seconds, n) => shot(seconds, { stats: { "cluster.x_9.retry.upstream_rq_total": n }, clusters: { c: [{ port: 1 }] }, observed: { c: "x:9.retry." } });
  const history = new History();
  history.add(at(0, 0), at(10, 100));
  assert.equal(history.get("cluster:c")[0].requests, 10);
});

test("listeners that become known take what is theirs", () => {
  const name = "listener.edge.worker_1.downstream_cx_active";
  const before = shot(0, { stats: { [name]: 3 } });
  assert.deepEqual([...before.subjects.listener.keys()], ["edge"]);
  assert.equal(attributed(before, new Set(["edge.worker_1"])).subjects.listener.get("edge.worker_1").get("downstream_cx_active"), 3);
});

test("rates survive counters that are reset or new", () => {
  assert.equal(perSecond(10, 30, 10), 2);
  assert.equal(perSecond(undefined, 30, 10), 3);
  assert.equal(perSecond(30, 10, 10), 1);
  assert.equal(perSecond(30, undefined, 10), 0);
  assert.equal(perSecond(1, 2, 0), 0);
});

test("quantiles of what was added between two readings", () => {
  const bin = (lower_bound, count) => ({ lower_bound, width: 1, count });
  assert.deepEqual(difference([bin(1, 5)], [bin(1, 5), bin(2, 3)]), [bin(2, 3)]);
  assert.deepEqual(difference([bin(1, 5)], [bin(1, 2)]), [bin(1, 2)]);
  assert.deepEqual(difference(undefined, [bin(1, 2)]), [bin(1, 2)]);
  assert.equal(quantile([], 0.5), null);
  assert.equal(quantile([bin(10, 100)], 0.5), 10.5);
  assert.equal(quantile([bin(10, 1), bin(1, 99)], 0.99), 2);
  assert.equal(quantile([bin(10, 1), bin(1, 99)], 1), 11);
  assert.equal(total(merged([[bin(1, 2)], [bin(1, 3), bin(2, 1)]])), 6);
});

test("a history of everything, listeners, clusters and hosts", () => {
  const history = new History();
  const at = (seconds, n, version) => shot(seconds, {
    data: { plan: version },
    stats: {
      "http.in.downstream_rq_total": 10 * n, "http.in.downstream_rq_2xx": 9 * n, "http.in.downstream_rq_5xx": n, "http.in.downstream_rq_active": 3,
      "http.admin.downstream_rq_total": 1000 * n, "listener.l.http.in.downstream_rq_2xx": 10 * n, "listener.l.downstream_cx_active": 4,
      "listener.admin.downstream_cx_active": 1, "cluster.c.upstream_rq_total": 20 * n, "cluster.c.upstream_rq_2xx": 20 * n,
    },
    histograms: { "http.in.downstream_rq_time": [{ lower_bound: 5, width: 1, count: 10 * n }] },
    clusters: { c: [{ port: 1, stats: { rq_total: 20 * n, rq_success: 15 * n, rq_error: 5 * n } }], quiet: [{ port: 2 }] },
  });
  const shots = [at(0, 1, 1), at(2, 2, 1), at(4, 3, 2)];
  history.add(undefined, shots[0]);
  history.add(shots[0], shots[1]);
  history.add(shots[1], shots[2]);
  const [, all] = history.get("total");
  assert.deepEqual([all.requests, all["2xx"], all.share5xx, all.active, all.connections, all.p50], [5, 4.5, 0.1, 3, 4, 5.5]);
  assert.equal(history.get("listener:l")[1].requests, 5);
  assert.equal(history.get("cluster:c")[1].requests, 10);
  const host = history.get("host:c|127.0.0.1:1")[1];
  assert.deepEqual([host.requests, host.share5xx], [10, 0.25]);
  assert.deepEqual([history.get("cluster:quiet"), history.get("listener:admin")], [[], []]);
  assert.deepEqual(history.versions.map(({ version, isFirst }) => [version, isFirst]), [[1, true], [2, false]]);
});

test("a history is bounded", () => {
  const history = new History();
  for (let i = 0; i < pointsMax + 5; i += 1) history.push("total", { at: i });
  assert.equal(history.get("total").length, pointsMax);
  for (let i = 0; i < subjectsMax + 5; i += 1) history.push("host:" + i, { at: 0 });
  assert.equal(history.series.size, subjectsMax);
  assert.equal(history.left, 6);
});

test("a latency that nobody measured for a while is none", () => {
  const history = new History();
  const reading = (seconds, count) => shot(seconds, { histograms: { h: [{ lower_bound: 1, width: 1, count }] } });
  history.add(undefined, reading(0, 1));
  history.readLatencies(reading(5, 3));
  assert.equal(history.latency(["h"], reading(6, 3).at).p50, 1.5);
  assert.equal(history.latency(["h"], reading(60, 3).at).p50, null);
});

test("listeners are found by what their statistics are called", () => {
  const dump = { configs: [{ static_listeners: [
    { listener: { name: "edge", address: { socket_address: { address: "0.0.0.0", port_value: 80 } } } },
    { listener: { name: "named", stat_prefix: "own", address: { socket_address: { address: "0.0.0.0", port_value: 81 } } } },
  ] }] };
  const bound = [{ name: "edge", local_address: { socket_address: { address: "0.0.0.0", port_value: 80 } } }];
  assert.deepEqual(configuredListeners(dump, bound), [{ subject: "0.0.0.0_80", name: "edge", managers: [] }, { subject: "own", name: "named", managers: [] }]);
});

test("a listener's latency is that of its connection managers", () => {
  const chain = (...prefixes) => ({ filters: prefixes.map((stat_prefix) => ({ typed_config: { "@type": "type.googleapis.com/x.v3.HttpConnectionManager", stat_prefix } })) });
  const listener = (name, more) => ({ listener: { name, stat_prefix: name, ...more } });
  const dump = { configs: [{ static_listeners: [
    listener("edge", { filter_chains: [chain("in"), chain("in"), { filters: [{}] }], default_filter_chain: chain("a:b") }), listener("inner", { filter_chains: [chain("in")] }),
    listener("db", { filter_chains: [{ filters: [{ typed_config: { "@type": "x/x.TcpProxy", stat_prefix: "in" } }] }] }),
  ] }] };
  const listeners = configuredListeners(dump, []);
  assert.deepEqual(listeners.map((one) => one.managers), [["in", "a_b"], ["in"], []]);
  assert.deepEqual(latencySource("edge", listeners), { managers: ["in", "a_b"], shared: [{ manager: "in", names: ["inner"] }] });
  assert.deepEqual(latencySource("db", listeners), { managers: [], shared: [] });
  const at = (seconds, n) => shot(seconds, {
    stats: { "listener.edge.downstream_cx_active": 1, "listener.db.downstream_cx_active": 1 },
    histograms: { "http.in.downstream_rq_time": [{ lower_bound: 5, width: 1, count: 3 * n }], "http.a_b.downstream_rq_time": [{ lower_bound: 9, width: 1, count: n }] },
  });
  const history = new History();
  history.add(undefined, at(0, 1), listeners);
  history.add(at(0, 1), at(2, 2), listeners);
  const [edge, db] = [history.get("listener:edge")[0], history.get("listener:db")[0]];
  assert.deepEqual([edge.p50, edge.p99 > 9, db.p50], [5 + 2 / 3, true, null]);
});

test("keys of histories with bars and colons in names", () => {
  assert.deepEqual(parts("host:outbound|80||reviews.default|10.0.0.1:80"), { kind: "host", name: "outbound|80||reviews.default", address: "10.0.0.1:80" });
  assert.deepEqual(parts("host:c|[::1]:80"), { kind: "host", name: "c", address: "[::1]:80" });
  assert.deepEqual(parts("cluster:outbound|80||a:b"), { kind: "cluster", name: "outbound|80||a:b" });
  assert.deepEqual(parts("total"), { kind: "total", name: "" });
  assert.deepEqual(parts("host:"), { kind: "host", name: "" });
});

test("any name stands in a link, and no address breaks the page", () => {
  for (const name of ["cluster:50%-canary", "cluster:a/b#c?d e", "cluster:\"><img src=x onerror=alert(1)>", "listener:[__1]_80", "cluster:ünï"]) {
    const text = link("overview", name);
    assert.match(text, /^#overview\/[\w%.!~*'()-]*$/);
    assert.deepEqual(linked(text), { page: "overview", rest: name });
  }
  assert.deepEqual(linked("#overview/cluster:50%-canary"), { page: "overview", rest: "cluster:50%-canary" });
  assert.deepEqual(linked("#overview/cluster:a/b"), { page: "overview", rest: "cluster:a/b" });
  assert.deepEqual(linked("#%"), { page: "%", rest: undefined });
  assert.deepEqual(linked(""), { page: "", rest: undefined });
});

test("health is the worst that is said", () => {
  assert.equal(health({ eds_health_status: "HEALTHY" }), "healthy");
  assert.equal(health({ failed_outlier_check: true, failed_active_health_check: true }), "ejected");
  assert.equal(health({ active_hc_timeout: true }), "unhealthy");
  assert.equal(health({ eds_health_status: "TIMEOUT" }), "unhealthy");
  assert.equal(health({ failed_active_degraded_check: true }), "degraded");
});

test("numbers have units", () => {
  const cases = [
    [format.number(1234567), "1.2 M"], [format.number(250), "250"], [format.number(2.25), "2.3"], [format.number(null), "–"],
    [format.percent(0.0004), "< 0.1 %"], [format.percent(0), "0 %"], [format.percent(0.123), "12 %"], [format.percent(0.0123), "1.2 %"],
    [format.milliseconds(0.5), "0.5 ms"], [format.milliseconds(1500), "1.5 s"], [format.bytes(1536), "1.5 KiB"], [format.bytes(12), "12 B"],
    [format.duration(3 * 86400 + 3600), "3 d 1 h"], [format.duration(59), "59 s"], [format.duration(0), "0 s"], [format.count(1, "host"), "1 host"],
    [format.byteRate(2048), "2 KiB/s"],
  ];
  for (const [text, expected] of cases) assert.equal(plain(text), expected);
  assert.deepEqual([nice(0), nice(3), nice(10), nice(11), nice(0.02)], [1, 5, 10, 20, 0.02]);
});
