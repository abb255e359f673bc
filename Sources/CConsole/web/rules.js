// What is wrong now: every rule that the console knows, each a function of two snapshots that lie some ten seconds apart. Pure.
//
// The rules of traffic are here, those of the process in `process.js`. A rule returns findings (`finding.js`). Phrases of one
// subject are joined to one sentence: "cluster payments: 2 of 5 hosts ejected, 503 rate 4 %".

import { finding } from "./finding.js";
import { count, percent, rate } from "./format.js";
import { window } from "./model.js";
import { sanitized } from "./names.js";
import { processRules } from "./process.js";

/// Fewer requests than this in the window say nothing about a share.
export const requestsMin = 10;
export const errorShareMin = 0.01;
export const retryShareMin = 0.2;
export const noRouteShareMin = 0.05;
export const handshakeShareMin = 0.1;

export const rules = {
  hostsNotHealthy: (c) => c.clusters(({ status, subject }) => {
    const groups = ["ejected", "unhealthy", "degraded"].map((health) => [health, status.hosts.filter((host) => host.health === health).length]);
    const bad = groups.filter(([, amount]) => amount > 0);
    if (bad.length === 0) return [];
    const isAll = bad.reduce((sum, [, amount]) => sum + amount, 0) === status.hosts.length;
    const words = bad.map(([health, amount]) => `${amount} of ${count(status.hosts.length, "host")} ${health}`).join(", ");
    const reasons = [...new Set(status.hosts.map((host) => host.why).filter(Boolean))].slice(0, 3).join("; ");
    return [finding("cluster", subject, isAll ? "bad" : "warn", words, `${reasons ? "Why: " + reasons + ". " : ""}Requests go to the other hosts, unless too few are left.`)];
  }),

  noHosts: (c) => c.clusters(({ status, subject, stats }) =>
    status.hosts.length > 0 || stats.leaves.length === 0 || isWithoutList(stats) ? [] : [
      finding("cluster", subject, "bad", "no hosts", "Every request is answered 503. Do its names resolve? Is its endpoint list empty?"),
    ]),

  serverErrors: (c) => c.clusters(({ subject, stats }) => {
    const all = responses(stats, "upstream_rq_");
    const failed = stats.grown("upstream_rq_5xx");
    if (all < requestsMin || failed / all < errorShareMin) return [];
    const codes = stats.leaves.filter((leaf) => /^upstream_rq_5\d\d$/.test(leaf)).map((leaf) => [leaf.slice(-3), stats.grown(leaf)])
      .filter(([, amount]) => amount / all >= errorShareMin / 2).sort((a, b) => b[1] - a[1]).slice(0, 2);
    const shares = codes.length > 0 ? codes.map(([code, amount]) => [code, amount / all]) : [["5xx", failed / all]];
    const words = shares.map(([code, share]) => `${code} rate ${percent(share)}`).join(", ");
    return [finding("cluster", subject, failed / all >= 0.05 ? "bad" : "warn", words, codeAdvice[shares[0][0]] ?? "The hosts answer with errors: look at their logs.")];
  }),

  connectFailures: (c) => c.clusters(({ subject, stats }) => {
    const failed = stats.rate("upstream_cx_connect_fail");
    const late = stats.rate("upstream_cx_connect_timeout");
    if (failed <= 0) return [];
    const words = `connections to hosts fail (${rate(failed)}${late > 0 ? `, ${rate(late)} by connect_timeout` : ""})`;
    return [finding("cluster", subject, "bad", words, "Is the host running, the port right, the network open? %UPSTREAM_TRANSPORT_FAILURE_REASON% in the access log says why.")];
  }),

  upstreamTLS: (c) => c.clusters(({ subject, stats }) => {
    const failed = stats.leaves.filter((leaf) => /^ssl\.(connection_error|fail_)/.test(leaf)).reduce((sum, leaf) => sum + stats.rate(leaf), 0);
    if (failed <= 0) return [];
    return [finding("cluster", subject, "bad", `TLS handshakes with hosts fail (${rate(failed)})`, "Certificates, names (SNI, subject alternative names) and trusted authorities of the cluster's transport_socket.")];
  }),

  requestTimeouts: (c) => c.clusters(({ subject, stats }) => {
    const late = stats.grown("upstream_rq_timeout") + stats.grown("upstream_rq_per_try_timeout");
    const all = stats.grown("upstream_rq_total");
    if (all < requestsMin || late / all < errorShareMin) return [];
    return [finding("cluster", subject, "warn", `${percent(late / all)} of requests time out`, "The hosts are slower than the route's timeout allows.")];
  }),

  retries: (c) => c.clusters(({ subject, stats }) => {
    const again = stats.grown("upstream_rq_retry");
    const all = stats.grown("upstream_rq_total");
    if (all < requestsMin || again / all < retryShareMin) return [];
    return [finding("cluster", subject, "warn", `${percent(again / all)} of requests are retries`, "Clients may not see it yet, but the hosts do: what is retried fails first.")];
  }),

  breakers: (c) => c.clusters(({ subject, stats }) => {
    const names = { cx: "connections", cx_pool: "pools", rq: "requests", rq_pending: "waiting requests", rq_retry: "retries" };
    const open = stats.leaves.filter((leaf) => /^circuit_breakers\..*_open$/.test(leaf) && stats.value(leaf) > 0).map((leaf) => {
      const [, priority, what] = /^circuit_breakers\.(.+)\.(.+)_open$/.exec(leaf);
      return `${names[what] ?? what}${priority === "default" ? "" : ` (${priority} priority)`}`;
    });
    if (open.length === 0) return [];
    return [finding("cluster", subject, "bad", `circuit breaker open: ${open.join(", ")}`, "What comes beyond the limit is answered 503 at once (flag UO). Raise the threshold or add hosts.")];
  }),

  overflows: (c) => c.clusters(({ subject, stats }) => {
    const lost = stats.rate("upstream_rq_pending_overflow") + stats.rate("upstream_rq_retry_overflow");
    if (lost <= 0) return [];
    return [finding("cluster", subject, "bad", `circuit breakers refuse requests or retries (${rate(lost)})`, "Flag UO in the access log. Raise the threshold or add hosts.")];
  }),

  panic: (c) => c.clusters(({ subject, stats }) => {
    const grown = stats.grown("lb_healthy_panic");
    if (grown <= 0) return [];
    return [finding("cluster", subject, "bad", "so few hosts are healthy that all are used (panic)", "healthy_panic_threshold: below it, unhealthy hosts get requests too.")];
  }),

  lookups: (c) => c.clusters(({ subject, stats }) => {
    const failed = stats.grown("update_failure");
    if (failed <= 0) return [];
    return [finding("cluster", subject, "warn", `its names cannot be looked up (${count(Math.round(failed), "failure")})`, "The hosts that are known stay in use. Does the name exist, does the resolver answer?")];
  }),

  noRoute: (c) => c.each("http", ({ subject, stats }) => {
    const lost = stats.grown("no_route");
    const all = stats.grown("downstream_rq_total");
    if (all < requestsMin || lost / all < noRouteShareMin) return [];
    return [finding("manager", subject, "warn", `${percent(lost / all)} of requests match no route`, "They are answered 404 (flag NR). The page “Try a request” says why a request matches none.")];
  }),

  noCluster: (c) => c.each("http", ({ subject, stats }) => {
    const lost = stats.rate("no_cluster");
    if (lost <= 0) return [];
    return [finding("manager", subject, "bad", `requests go to a cluster that does not exist (${rate(lost)})`, "cluster_header names a cluster that the configuration has not (flag NC).")];
  }),

  refusedConnections: (c) => c.each("listener", ({ subject, stats }) => {
    const lost = ["downstream_cx_overflow", "downstream_cx_overload_reject", "downstream_global_cx_overflow"].reduce((sum, leaf) => sum + stats.rate(leaf), 0);
    if (lost <= 0) return [];
    return [finding("listener", subject, "bad", `connections are refused (${rate(lost)})`, "A limit of connections is reached: docs/limits.md.")];
  }),

  noFilterChain: (c) => c.each("listener", ({ subject, stats }) => {
    const lost = stats.rate("no_filter_chain_match");
    if (lost <= 0) return [];
    return [finding("listener", subject, "warn", `connections match no filter chain (${rate(lost)})`, "They are closed. Their server name, address or protocol is in no filter_chain_match.")];
  }),

  acceptPaused: (c) => c.each("listener", ({ subject, stats }) =>
    stats.grown("accept_paused") <= 0 ? [] : [
      finding("listener", subject, "bad", "accepting rests: no descriptors left", "Raise the limit of open files (ulimit -n)."),
    ]),

  handshakes: (c) => c.each("listener", ({ subject, stats }) => {
    const failed = stats.leaves.filter((leaf) => /^ssl\.(connection_error|fail_)/.test(leaf)).reduce((sum, leaf) => sum + stats.grown(leaf), 0);
    const all = failed + stats.grown("ssl.handshake");
    if (all < requestsMin || failed / all < handshakeShareMin) return [];
    return [finding("listener", subject, "warn", `${percent(failed / all)} of TLS handshakes fail`, "%DOWNSTREAM_TRANSPORT_FAILURE_REASON% in the listener's access log says why.")];
  }),

  ...processRules,
};

const codeAdvice = {
  503: "No connection, no healthy host, or a limit: %RESPONSE_FLAGS% in the access log tells which (UF, UH, UO). A host may also answer 503 itself.",
  504: "The hosts are slower than the route's timeout allows (flag UT).",
  502: "What the hosts answer is not HTTP, or their TLS fails (flags UPE, UF).",
  500: "The hosts answer 500: look at their logs.",
};

/// Everything that is wrong at `now`. `before`: an older snapshot.
export function findings(before, now) {
  const context = {
    before, now,
    clusters: (body) => now.clusters.flatMap((status) =>
      body({ status, subject: status.name, stats: window(before, now, "cluster", sanitized(status.observed)) })),
    each: (kind, body) => [...now.subjects[kind].keys()].filter((subject) => subject !== "admin")
      .flatMap((subject) => body({ subject, stats: window(before, now, kind, subject) })),
  };
  return Object.entries(rules).flatMap(([rule, body]) => body(context).map((found) => ({ ...found, rule })));
}

function responses(stats, prefix) {
  return ["2xx", "3xx", "4xx", "5xx"].reduce((sum, name) => sum + stats.grown(prefix + name), 0);
}

/// ORIGINAL_DST clusters take their hosts from connections: `/clusters` lists none.
function isWithoutList(stats) {
  return stats.value("upstream_cx_total") > 0;
}
