// The map's graph, and the explanations of statistics.

import { readFileSync } from "node:fs";
import test from "node:test";
import assert from "node:assert/strict";
import { load, shot, web } from "./support.mjs";

const { graph, filtered, matchText, path, summary } = await load("graph.js");
const { parse, explain, filter, found } = await load("explanations.js");

const manager = (routes, more = {}) => ({
  filters: [{ typed_config: { "@type": "type.googleapis.com/x.v3.HttpConnectionManager", route_config: { virtual_hosts: [{ name: "v", domains: ["a.test"], routes }] }, ...more } }],
});
const dump = { configs: [
  { static_listeners: [
    { listener: { name: "edge", filter_chains: [manager([
      { match: { prefix: "/pay" }, route: { cluster: "payments" } },
      { match: { path: "/x" }, route: { weighted_clusters: { clusters: [{ name: "payments", weight: 90 }, { name: "gone", weight: 10 }] } } },
      { match: { prefix: "/" }, redirect: {} },
    ])] } },
    { listener: { name: "db", filter_chains: [{ filters: [{ typed_config: { "@type": "x/x.TcpProxy", cluster: "postgres" } }] }] } },
  ] },
] };
const { clusters } = shot(0, { clusters: { payments: [{ port: 1 }, { port: 2, failed_outlier_check: true }], postgres: [{ port: 3 }], unused: [{ port: 4 }] } });
const whole = graph(dump, [{ name: "edge", local_address: { socket_address: { address: "127.0.0.1", port_value: 80 } } }], clusters);
const names = (kind) => whole.columns[kind].map((node) => `${node.name} ${node.health}`);

test("columns, and health that is handed on", () => {
  assert.deepEqual(names("listener"), ["edge degraded", "db healthy"]);
  assert.deepEqual(names("route"), ["/pay… degraded", "= /x degraded", "/… healthy", "TCP healthy"]);
  assert.deepEqual(names("cluster"), ["payments degraded", "gone bad", "postgres healthy", "unused healthy"]);
  assert.deepEqual(names("host"), ["127.0.0.1:1 healthy", "127.0.0.1:2 ejected", "127.0.0.1:3 healthy", "127.0.0.1:4 healthy"]);
  assert.deepEqual(whole.columns.listener[0].notes, ["127.0.0.1:80"]);
  assert.deepEqual(whole.columns.route[1].notes, ["v (a.test)", "payments 90 %", "gone 10 %"]);
  assert.deepEqual(whole.columns.cluster[3].notes, ["1 of 1 hosts healthy", "no route names it"]);
});

test("what hangs together", () => {
  const lit = path(whole.edges, "cluster:postgres");
  assert.deepEqual([...lit].sort(), ["cluster:postgres", "host:postgres|127.0.0.1:3", "listener:db", "route:listener:db||tcp"]);
  const part = filtered(whole, "postgres");
  assert.deepEqual(Object.values(part.columns).map((nodes) => nodes.length), [1, 1, 1, 1]);
  assert.equal(part.edges.length, 3);
  assert.equal(filtered(whole, " "), whole);
});

test("routes of RDS, and an empty answer", () => {
  const rds = { configs: [
    { static_listeners: [{ listener: { name: "l", filter_chains: [{ filters: [{ typed_config: { "@type": "x/x.HttpConnectionManager", rds: { route_config_name: "r" } } }] }] } }] },
    { dynamic_route_configs: [{ route_config: { name: "r", virtual_hosts: [{ name: "v", domains: ["*"], routes: [{ match: { prefix: "/" }, direct_response: { status: 204 } }] }] } }] },
  ] };
  assert.equal(graph(rds, [], []).columns.route[0].what, "answers 204");
  assert.deepEqual(graph(undefined, [], []).edges, []);
});

test("matches in words", () => {
  assert.equal(matchText({ safe_regex: { regex: "/a.*" } }), "~ /a.*");
  assert.equal(matchText({ path_separated_prefix: "/a" }), "/a/…");
  assert.equal(matchText({ prefix: "/", headers: [{ name: "x-a" }], query_parameters: [{ name: "q" }] }), "/… if x-a, ?q");
  assert.equal(summary([]), "none");
  assert.equal(summary(["unhealthy", "ejected"]), "bad");
});

const entries = parse(readFileSync(new URL("statistics.txt", web), "utf8"));

test("a full name finds what it means", () => {
  const cases = {
    "cluster.a.b.upstream_rq_503": ["cluster.*.", "upstream_rq_*"],
    "cluster.a.upstream_rq_2xx": ["cluster.*.", "upstream_rq_*"],
    "cluster.a.upstream_rq_time": ["cluster.*.", "upstream_rq_time"],
    "cluster.a.external.upstream_rq_200": ["cluster.*.", "external.upstream_rq_*"],
    "cluster.a.http2.rx_reset": ["cluster.*.http2.", "rx_reset"],
    "listener.127.0.0.1_80.http.in.downstream_rq_2xx": ["listener.*.http.*.", "downstream_rq_2xx"],
    "listener.l.ssl.ciphers.TLS_AES_128_GCM_SHA256": ["listener.*.ssl.ciphers.*", ""],
    "listener.127.0.0.1_80.worker_1.downstream_cx_total": ["listener.*.worker_*.", "downstream_cx_total"],
    "server.main_thread.watchdog_miss": ["server.*.", "watchdog_miss"],
    "http.in.no_route": ["http.*.", "no_route"],
  };
  for (const [name, [prefix, leaf]] of Object.entries(cases)) {
    const entry = explain(entries, name);
    assert.deepEqual([entry?.prefix, entry?.leaf], [prefix, leaf], name);
  }
  assert.equal(explain(entries, "nothing.of.the.sort"), null);
});

test("words are found in names and in what they mean", () => {
  assert.ok(found(entries, "circuit waiting").some((entry) => entry.leaf === "circuit_breakers.default.rq_pending_open"));
  const pattern = new RegExp(filter(entries, "give up clients").replace("(?i)", ""), "i");
  assert.ok(pattern.test("http.in.downstream_cx_destroy_remote_active_rq"));
  assert.ok(!pattern.test("http.in.downstream_rq_total"));
  assert.ok(new RegExp(filter(entries, "5xx payments").replace("(?i)", ""), "i").test("cluster.payments.upstream_rq_5xx"));
  // What was typed is no pattern.
  assert.ok(!new RegExp(filter(entries, "a.c").replace("(?i)", ""), "i").test("cluster.abc.x"));
});
