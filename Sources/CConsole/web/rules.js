// What is wrong now: every rule that the console knows, each a function of two snapshots that lie some ten seconds apart. Pure.
//
// A rule returns findings: `{kind, subject, severity, phrase, advice, since?, version?}`. Phrases of one subject are joined to
// one sentence: "cluster payments: 2 of 5 hosts ejected, 503 rate 4 %". `since` and `version` only where the process itself
// knows them; otherwise `problems.js` notes when a finding was first there.

import { count, percent, rate } from "./format.js";
import { window } from "./model.js";
import { sanitized } from "./names.js";

/// Fewer requests than this in the window say nothing about a share.
export const requestsMin = 10;
export const errorShareMin = 0.01;
export const retryShareMin = 0.2;
export const noRouteShareMin = 0.05;
export const handshakeShareMin = 0.1;
export const certificateDays = { warn: 21, bad: 7 };

const noCertificate = 4294967295;

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

  reloadRefused: ({ now }) => {
    const reads = (now.data.events ?? []).filter((event) => event.kind === "applied" || event.kind === "refused");
    const last = reads[reads.length - 1];
    if (last?.kind !== "refused") return [];
    const more = last.lineCount > 1 ? ` (and ${count(last.lineCount - 1, "error")} more)` : "";
    return [{ ...finding("process", "configuration", "bad", `the last reload was refused, version ${last.version} serves on`, `${last.lines[0] ?? ""}${more}`), since: last.at, version: last.version }];
  },

  workersBehind: ({ before, now }) => {
    const plan = now.data.plan;
    const late = (now.data.workers ?? []).map((version, i) => [i, version]).filter(([i, version]) =>
      version < plan && before.data.plan === plan && before.data.workers?.[i] < plan);
    if (late.length === 0) return [];
    const words = late.map(([i, version]) => `worker ${i} still runs version ${version}`).join(", ");
    return [finding("process", "workers", "bad", words, "A worker takes a new plan at the top of each turn: this one is stuck in its turn.")];
  },

  certificates: ({ now }) => {
    const days = now.values.get("server.days_until_first_cert_expiring");
    if (days === undefined || days >= noCertificate || days > certificateDays.warn) return [];
    const words = days === 0 ? "one expires within a day, or has expired" : `the first expires in ${count(days, "day")}`;
    return [finding("process", "certificates", days <= certificateDays.bad ? "bad" : "warn", words, "/certs lists them with their dates.")];
  },

  certificatesRefused: ({ now }) => {
    const last = new Map();
    for (const event of now.data.events ?? []) {
      if (event.kind === "certificates" || event.kind === "certificatesRefused") last.set(event.subject, event);
    }
    return [...last.values()].filter((event) => event.kind === "certificatesRefused").map((event) => ({
      ...finding("process", event.subject, "bad", "its files were read again and refused; the old certificates serve on", event.lines[0] ?? ""),
      since: event.at, version: event.version,
    }));
  },

  draining: ({ now }) => {
    if (now.data.state !== "DRAINING") return [];
    const events = (now.data.events ?? []).filter((event) => event.kind === "draining" || event.kind === "healthChecksFail");
    const last = events[events.length - 1];
    const why = last?.kind === "draining" ? `${last.subject}: connections are drained, then the process ends` : "/healthcheck/fail was called: /ready answers 503";
    return [{ ...finding("process", "health", "warn", why, last?.kind === "draining" ? "" : "/healthcheck/ok (page “Commands”) ends it."), since: last?.at, version: last?.version }];
  },

  notLive: ({ now }) =>
    ["PRE_INITIALIZING", "INITIALIZING"].includes(now.data.state)
      ? [finding("process", "start", "warn", "not serving yet: names of clusters are looked up first", "Clusters of kind STRICT_DNS and LOGICAL_DNS wait for their first answer.")] : [],

  threadsStuck: ({ before, now }) => grown(before, now, /^server\.(.+)\.watchdog_(?:mega_)?miss$/).map(([thread]) =>
    finding("process", thread, "bad", "the thread did not answer its watchdog", "It was stuck in one turn: the log has its stack, the CPU profile says where time goes.")),

  tracesDropped: ({ before, now }) => grown(before, now, /^tracing\.([^.]+)\.(?:spans_dropped|reports_dropped|reports_failed|reports_skipped_no_cluster)$/).map(([tracer, lost]) =>
    finding("process", `tracing (${tracer})`, "warn", `${count(lost, "span or report", "spans or reports")} dropped`, "The collector does not answer, or is too slow. Requests are not held up by it.")),

  logsDropped: ({ before, now }) => {
    const lost = grown(before, now, /^(filesystem)\.write_dropped$/)[0]?.[1] ?? 0;
    if (lost === 0) return [];
    return [finding("process", "access logs", "warn", `${count(lost, "line")} dropped`, "The disk is full or slower than the traffic. Requests are not held up by it.")];
  },
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

function finding(kind, subject, severity, phrase, advice) {
  return { kind, subject, severity, phrase, advice };
}

/// What the first group of the pattern names, and by how much its statistics have grown together; those that have.
function grown(before, now, pattern) {
  const sums = new Map();
  for (const [name, value] of now.values) {
    const subject = pattern.exec(name)?.[1];
    if (subject) sums.set(subject, (sums.get(subject) ?? 0) + Math.max(0, value - (before.values.get(name) ?? 0)));
  }
  return [...sums].filter(([, amount]) => amount > 0);
}

function responses(stats, prefix) {
  return ["2xx", "3xx", "4xx", "5xx"].reduce((sum, name) => sum + stats.grown(prefix + name), 0);
}

/// ORIGINAL_DST clusters take their hosts from connections: `/clusters` lists none.
function isWithoutList(stats) {
  return stats.value("upstream_cx_total") > 0;
}
