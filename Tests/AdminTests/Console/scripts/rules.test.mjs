// Every rule of rules.js: what makes it speak, what it says, and what leaves it silent.

import test from "node:test";
import assert from "node:assert/strict";
import { load, plain, shot } from "./support.mjs";

const { findings, rules } = await load("rules.js");
const { watched } = await load("names.js");

const healthy = { clusters: { payments: [{ port: 1 }, { port: 2 }] }, stats: { "cluster.payments.upstream_rq_total": 100 } };

/// What the rule says ten seconds after `before`; with nothing but these statistics.
function said(rule, before, now, more = {}) {
  const all = findings(shot(0, { ...more, stats: before }), shot(10, { ...more, stats: now }));
  return all.filter((one) => one.rule === rule).map((one) => plain(`${one.kind} ${one.subject} ${one.severity}: ${one.phrase}`));
}

const tested = new Set();

/// `speaks`: `[before, now, more, expected]`; `silent`: the same without `expected`.
function rule(name, speaks, silent) {
  tested.add(name);
  test(name, () => {
    for (const [before, now, more, expected] of speaks) assert.deepEqual(said(name, before, now, more), expected);
    for (const [before, now, more] of silent) assert.deepEqual(said(name, before, now, more), []);
  });
}

const two = { clusters: { payments: [{ port: 1 }, { port: 2 }] } };
const of = (prefix, leaves) => Object.fromEntries(Object.entries(leaves).map(([leaf, value]) => [prefix + leaf, value]));
const cluster = (leaves) => of("cluster.payments.", leaves);
const manager = (leaves) => of("http.ingress.", leaves);
const listener = (leaves) => of("listener.127.0.0.1_80.", leaves);

rule("hostsNotHealthy", [
  [{}, {}, { clusters: { payments: [{ port: 1, failed_outlier_check: true }, { port: 2, failed_outlier_check: true }, { port: 3 }, { port: 4 }, { port: 5 }] } },
    ["cluster payments warn: 2 of 5 hosts ejected"]],
  [{}, {}, { clusters: { payments: [{ port: 1, failed_active_health_check: true }, { port: 2, eds_health_status: "DEGRADED" }] } },
    ["cluster payments bad: 1 of 2 hosts unhealthy, 1 of 2 hosts degraded"]],
  [{}, {}, { clusters: { payments: [{ port: 1, eds_health_status: "DRAINING" }, { port: 2 }] } }, ["cluster payments warn: 1 of 2 hosts unhealthy"]],
], [[{}, {}, two]]);

rule("noHosts", [[{}, cluster({ membership_total: 0 }), { clusters: { payments: [] } }, ["cluster payments bad: no hosts"]]],
  [[{}, cluster({ membership_total: 2 }), two], [{}, cluster({ upstream_cx_total: 3 }), { clusters: { payments: [] } }]]);

rule("serverErrors", [
  [cluster({ upstream_rq_2xx: 0 }), cluster({ upstream_rq_2xx: 96, upstream_rq_5xx: 4, upstream_rq_503: 4 }), two, ["cluster payments warn: 503 rate 4 %"]],
  [{}, cluster({ upstream_rq_2xx: 50, upstream_rq_5xx: 50, upstream_rq_500: 40, upstream_rq_504: 10 }), two, ["cluster payments bad: 500 rate 40 %, 504 rate 10 %"]],
], [
  [{}, cluster({ upstream_rq_2xx: 1000, upstream_rq_5xx: 1, upstream_rq_503: 1 }), two],
  [{}, cluster({ upstream_rq_5xx: 5, upstream_rq_503: 5 }), two],
  [cluster({ upstream_rq_5xx: 50, upstream_rq_2xx: 5 }), cluster({ upstream_rq_5xx: 50, upstream_rq_2xx: 105 }), two],
]);

rule("connectFailures", [
  [{}, cluster({ upstream_cx_connect_fail: 30, upstream_cx_connect_timeout: 10 }), two, ["cluster payments bad: connections to hosts fail (3/s, 1/s by connect_timeout)"]],
], [[cluster({ upstream_cx_connect_fail: 30 }), cluster({ upstream_cx_connect_fail: 30 }), two]]);

rule("upstreamTLS", [[{}, cluster({ "ssl.connection_error": 10, "ssl.fail_verify_san": 10 }), two, ["cluster payments bad: TLS handshakes with hosts fail (2/s)"]]],
  [[{}, cluster({ "ssl.handshake": 10 }), two]]);

rule("requestTimeouts", [[{}, cluster({ upstream_rq_timeout: 4, upstream_rq_per_try_timeout: 1, upstream_rq_total: 100 }), two, ["cluster payments warn: 5 % of requests time out"]]],
  [[{}, cluster({ upstream_rq_timeout: 1, upstream_rq_total: 1000 }), two], [{}, cluster({ upstream_rq_timeout: 1, upstream_rq_total: 2 }), two]]);

rule("retries", [[{}, cluster({ upstream_rq_retry: 30, upstream_rq_total: 100 }), two, ["cluster payments warn: 30 % of requests are retries"]]],
  [[{}, cluster({ upstream_rq_retry: 3, upstream_rq_total: 100 }), two]]);

rule("breakers", [
  [{}, cluster({ "circuit_breakers.default.rq_open": 1, "circuit_breakers.high.cx_open": 1 }), two, ["cluster payments bad: circuit breaker open: requests, connections (high priority)"]],
], [[{}, cluster({ "circuit_breakers.default.rq_open": 0 }), two]]);

rule("overflows", [[{}, cluster({ upstream_rq_pending_overflow: 20 }), two, ["cluster payments bad: circuit breakers refuse requests or retries (2/s)"]]],
  [[cluster({ upstream_rq_pending_overflow: 20 }), cluster({ upstream_rq_pending_overflow: 20 }), two]]);

rule("panic", [[{}, cluster({ lb_healthy_panic: 5 }), two, ["cluster payments bad: so few hosts are healthy that all are used (panic)"]]], [[{}, {}, two]]);

rule("lookups", [[{}, cluster({ update_failure: 2 }), two, ["cluster payments warn: its names cannot be looked up (2 failures)"]]], [[{}, cluster({ update_attempt: 2 }), two]]);

rule("noRoute", [[{}, manager({ no_route: 12, downstream_rq_total: 100 }), {}, ["manager ingress warn: 12 % of requests match no route"]]],
  [[{}, manager({ no_route: 1, downstream_rq_total: 100 }), {}], [{}, of("http.admin.", { no_route: 90, downstream_rq_total: 100 }), {}]]);

rule("noCluster", [[{}, manager({ no_cluster: 20 }), {}, ["manager ingress bad: requests go to a cluster that does not exist (2/s)"]]], [[{}, manager({ no_cluster: 0 }), {}]]);

rule("refusedConnections", [[{}, listener({ downstream_cx_overflow: 10, downstream_global_cx_overflow: 10 }), {}, ["listener 127.0.0.1_80 bad: connections are refused (2/s)"]]],
  [[{}, listener({ downstream_cx_total: 10 }), {}]]);

rule("noFilterChain", [[{}, listener({ no_filter_chain_match: 10 }), {}, ["listener 127.0.0.1_80 warn: connections match no filter chain (1/s)"]]], [[{}, listener({ no_filter_chain_match: 0 }), {}]]);

rule("acceptPaused", [[{}, listener({ accept_paused: 1 }), {}, ["listener 127.0.0.1_80 bad: accepting rests: no descriptors left"]]],
  [[listener({ accept_paused: 1 }), listener({ accept_paused: 1 }), {}]]);

rule("handshakes", [[{}, listener({ "ssl.connection_error": 5, "ssl.handshake": 15 }), {}, ["listener 127.0.0.1_80 warn: 25 % of TLS handshakes fail"]]],
  [[{}, listener({ "ssl.connection_error": 1, "ssl.handshake": 100 }), {}], [{}, listener({ "ssl.connection_error": 2 }), {}]]);

const event = (kind, at, more = {}) => ({ kind, at, version: 40, subject: "envoy.yaml", lines: [], lineCount: 0, ...more });

rule("reloadRefused", [
  [{}, {}, { data: { events: [event("applied", 1), event("refused", Date.parse("2027-01-15T08:00:00Z"), { lines: ["line 3: no such field"], lineCount: 2 })] } },
    ["process configuration bad: the last reload was refused, version 40 serves on"]],
], [[{}, {}, { data: { events: [event("refused", 1), event("applied", 2)] } }], [{}, {}, {}]]);

rule("workersBehind", [[{}, {}, { data: { plan: 41, workers: [41, 40] } }, ["process workers bad: worker 1 still runs version 40"]]], [[{}, {}, { data: { plan: 41, workers: [41, 41] } }]]);

rule("certificates", [
  [{}, { "server.days_until_first_cert_expiring": 12 }, {}, ["process certificates warn: the first expires in 12 days"]],
  [{}, { "server.days_until_first_cert_expiring": 0 }, {}, ["process certificates bad: one expires within a day, or has expired"]],
], [[{}, { "server.days_until_first_cert_expiring": 4294967295 }, {}], [{}, { "server.days_until_first_cert_expiring": 90 }, {}]]);

rule("certificatesRefused", [
  [{}, {}, { data: { events: [event("certificatesRefused", 5, { subject: "listener.l.ssl" })] } }, ["process listener.l.ssl bad: its files were read again and refused; the old certificates serve on"]],
], [[{}, {}, { data: { events: [event("certificatesRefused", 5, { subject: "a" }), event("certificates", 6, { subject: "a" })] } }]]);

rule("draining", [
  [{}, {}, { data: { state: "DRAINING", events: [event("healthChecksFail", 5)] } }, ["process health warn: /healthcheck/fail was called: /ready answers 503"]],
  [{}, {}, { data: { state: "DRAINING", events: [event("draining", 5, { subject: "SIGTERM" })] } }, ["process health warn: SIGTERM: connections are drained, then the process ends"]],
], [[{}, {}, {}]]);

rule("notLive", [[{}, {}, { data: { state: "PRE_INITIALIZING" } }, ["process start warn: not serving yet: names of clusters are looked up first"]]], [[{}, {}, {}]]);

rule("threadsStuck", [[{ "server.worker_0.watchdog_miss": 1 }, { "server.worker_0.watchdog_miss": 2, "server.main_thread.watchdog_miss": 0 }, {}, ["process worker_0 bad: the thread did not answer its watchdog"]]],
  [[{ "server.worker_0.watchdog_miss": 1 }, { "server.worker_0.watchdog_miss": 1 }, {}]]);

rule("tracesDropped", [
  [{}, { "tracing.zipkin.reports_failed": 2, "tracing.zipkin.spans_dropped": 1 }, {}, ["process tracing (zipkin) warn: 1 span, 2 reports dropped"]],
  [{ "tracing.skywalking.segments_dropped": 1 }, { "tracing.skywalking.segments_dropped": 4 }, {}, ["process tracing (skywalking) warn: 3 segments dropped"]],
  [{}, { "tracing.datadog.traces_dropped": 1, "tracing.datadog.reports_skipped_no_cluster": 5 }, {}, ["process tracing (datadog) warn: 1 trace, 5 reports dropped"]],
], [[{}, { "tracing.zipkin.spans_sent": 9 }, {}]]);

rule("logsDropped", [
  [{}, { "filesystem.write_dropped": 3 }, {}, ["process access logs warn: 3 lines dropped"]],
  [{}, { "access_logs.grpc_access_log.logs_dropped": 1, "access_logs.open_telemetry_access_log.a.b.logs_dropped": 2, "access_logs.fluentd.f.entries_lost": 4 }, {}, [
    "process access logs (grpc_access_log) warn: 1 line dropped", "process access logs (open_telemetry_access_log.a.b) warn: 2 lines dropped",
    "process access logs (fluentd.f) warn: 4 lines dropped",
  ]],
], [
  [{ "filesystem.write_dropped": 3 }, { "filesystem.write_dropped": 3 }, {}],
  [{ "access_logs.fluentd.f.entries_lost": 3 }, { "access_logs.fluentd.f.entries_lost": 3, "access_logs.fluentd.f.entries_buffered": 9 }, {}],
]);

rule("statisticsDropped", [
  [{}, { "martlet.stats_sinks.lines_dropped": 2, "martlet.stats_sinks.metrics_dropped": 1 }, {}, ["process statistics sinks warn: 2 lines, 1 metric dropped"]],
], [[{}, { "martlet.stats_sinks.lines_sent": 2 }, {}]]);

const secret = (name, rejected, time) => ({ [`sds.${name}.update_rejected`]: rejected, [`sds.${name}.update_time`]: time });

rule("updatesRefused", [
  [secret("a", 0, 1), secret("a", 1, 1), {}, ["process secrets (SDS) bad: an update was refused; what was taken before stays in use"]],
  // However long ago: nothing was ever taken.
  [secret("a.b", 1, 0), secret("a.b", 1, 0), {}, ["process secrets (SDS) bad: updates are refused, and none was ever taken"]],
  [{ ...secret("a", 0, 1), ...secret("b", 1, 0) }, { ...secret("a", 1, 1), ...secret("b", 1, 0) }, {},
    ["process secrets (SDS) bad: updates are refused; of b none was ever taken"]],
  [{ "runtime.update_time": 1 }, { "runtime.update_time": 1, "runtime.update_rejected": 1 }, {},
    ["process runtime (RTDS) bad: an update was refused; what was taken before stays in use"]],
], [[secret("a", 1, 1), secret("a", 1, 2), {}], [{}, secret("a", 0, 0), {}], [{}, { "runtime.update_time": 1 }, {}]]);

test("refused secrets are named, the first of them", () => {
  const stats = Object.assign({}, ...["a", "b", "c", "d", "e"].map((name) => secret(name, 1, 0)));
  const [one] = findings(shot(0, { stats }), shot(10, { stats }));
  assert.match(one.advice, /^Secrets: a, b, c and 2 more\. /);
});

test("a poll asks for what the rules read", () => {
  const pattern = new RegExp(watched);
  const read = [
    "access_logs.grpc_access_log.logs_dropped", "access_logs.open_telemetry_access_log.x.logs_dropped", "access_logs.fluentd.f.entries_lost",
    "tracing.skywalking.segments_dropped", "tracing.datadog.traces_dropped", "martlet.stats_sinks.lines_dropped", "martlet.stats_sinks.metrics_dropped",
    "sds.a.b.update_rejected", "sds.a.update_time", "runtime.update_rejected", "filesystem.write_dropped",
  ];
  for (const name of read) assert.ok(pattern.test(name), name);
  for (const name of ["runtime.num_keys", "sds.a.update_duration", "access_logs.fluentd.f.events_sent"]) assert.ok(!pattern.test(name), name);
});

test("every rule is tested here", () => assert.deepEqual([...tested].sort(), Object.keys(rules).sort()));

test("nothing is wrong with a healthy process", () => assert.deepEqual(findings(shot(0, healthy), shot(10, healthy)), []));

test("every finding has words of advice or a reason to have none", () => {
  const found = findings(shot(0, two), shot(10, { ...two, stats: cluster({ upstream_rq_2xx: 50, upstream_rq_5xx: 50, upstream_rq_502: 50, upstream_cx_connect_fail: 3 }) }));
  assert.equal(found.length, 2);
  for (const one of found) assert.ok(one.advice.length > 10);
});
