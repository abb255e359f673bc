// From the admin's answers to one snapshot, and from two snapshots to rates. Pure.

import { sanitized, split } from "./names.js";

/// `answers`: `data` (/console/data), `stats` and `histograms` (/stats), `clusters` (/clusters), `at` (ms). `listeners`: a set of
/// the names in statistics of those that are known.
export function snapshot(answers, listeners) {
  const values = new Map();
  for (const entry of answers.stats?.stats ?? []) {
    if (typeof entry.value === "number") values.set(entry.name, entry.value);
  }
  const histograms = new Map();
  for (const entry of answers.histograms?.stats ?? []) {
    for (const detail of entry.histograms?.details ?? []) histograms.set(detail.name, detail.totals);
  }
  const clusters = (answers.clusters?.cluster_statuses ?? []).map(cluster);
  return attributed({ at: answers.at, data: answers.data ?? {}, values, histograms, clusters }, listeners);
}

/// The same snapshot where other listeners are known: the configuration comes later than the first statistics.
export function attributed(shot, listeners) {
  const known = { cluster: new Set(shot.clusters.map((one) => sanitized(one.observed))), listener: listeners };
  return { ...shot, subjects: subjects(shot.values, known) };
}

/// Statistics by what they are of: `subjects.cluster.get("payments").get("upstream_rq_total")`.
function subjects(values, known) {
  const result = { cluster: new Map(), listener: new Map(), http: new Map(), tcp: new Map(), process: new Map() };
  for (const [name, value] of values) {
    const { kind, subject, leaf } = split(name, known);
    const leaves = result[kind].get(subject) ?? new Map();
    // Several connection managers of a listener add up.
    leaves.set(leaf, (leaves.get(leaf) ?? 0) + value);
    result[kind].set(subject, leaves);
  }
  return result;
}

function cluster(status) {
  return {
    name: status.name,
    observed: status.observability_name ?? status.name,
    thresholds: status.circuit_breakers?.thresholds ?? [],
    hosts: (status.host_statuses ?? []).map(host),
  };
}

function host(status) {
  const stats = Object.fromEntries((status.stats ?? []).map((stat) => [stat.name, Number(stat.value ?? 0)]));
  return {
    address: address(status.address),
    hostname: status.hostname ?? "",
    health: health(status.health_status ?? {}),
    why: why(status.health_status ?? {}),
    weight: status.weight ?? 1,
    priority: status.priority ?? 0,
    zone: [status.locality?.region, status.locality?.zone, status.locality?.sub_zone].filter(Boolean).join("/"),
    stats,
  };
}

export function address(message) {
  const socket = message?.socket_address;
  if (!socket) return message?.pipe?.path ?? "?";
  const host = socket.address.includes(":") ? `[${socket.address}]` : socket.address;
  return `${host}:${socket.port_value ?? 0}`;
}

/// `{subject, name, managers}` of each listener of the configuration. `subject`: what its statistics are called, by `stat_prefix`
/// or address; `managers`: the `stat_prefix`es of its HTTP connection managers, as they stand in statistics.
export function configuredListeners(dump, listeners) {
  const all = (field) => (dump?.configs ?? []).flatMap((section) => section[field] ?? []);
  const messages = [...all("static_listeners").map((one) => one.listener), ...all("dynamic_listeners").map((one) => one.active_state?.listener)];
  return messages.filter(Boolean).map((message) => {
    const bound = listeners.find((one) => one.name === message.name)?.local_address ?? message.address;
    const place = bound ? address(bound) : "";
    return { subject: sanitized(message.stat_prefix || place), name: message.name || place, managers: managers(message) };
  });
}

function managers(listener) {
  const chains = [...(listener.filter_chains ?? []), listener.default_filter_chain].filter(Boolean);
  const configs = chains.flatMap((chain) => chain.filters ?? []).map((filter) => filter.typed_config ?? {});
  const prefixes = configs.filter((config) => config["@type"]?.endsWith(".HttpConnectionManager")).map((config) => sanitized(config.stat_prefix ?? ""));
  return [...new Set(prefixes)];
}

const failures = {
  failed_active_health_check: "health check fails",
  failed_outlier_check: "ejected as an outlier",
  failed_active_degraded_check: "health check says degraded",
  pending_dynamic_removal: "removed, but its health check still succeeds",
  pending_active_hc: "not checked yet",
  excluded_via_immediate_hc_fail: "said itself that it fails",
  active_hc_timeout: "health check times out",
};

/// `healthy`, `degraded`, `ejected` or `unhealthy`.
export function health(status) {
  if (status.failed_outlier_check) return "ejected";
  if (status.failed_active_health_check || status.active_hc_timeout || status.excluded_via_immediate_hc_fail) return "unhealthy";
  if (["UNHEALTHY", "DRAINING", "TIMEOUT"].includes(status.eds_health_status)) return "unhealthy";
  if (status.failed_active_degraded_check || status.eds_health_status === "DEGRADED") return "degraded";
  return "healthy";
}

function why(status) {
  const reasons = Object.keys(failures).filter((flag) => status[flag]).map((flag) => failures[flag]);
  if (status.eds_health_status && !["HEALTHY", "UNKNOWN"].includes(status.eds_health_status)) {
    reasons.push(`the configuration says ${status.eds_health_status}`);
  }
  return reasons.join(", ");
}

/// What a counter grew by per second between two snapshots. A counter that was reset has grown by what it is now; one that
/// was not there before has grown from nothing.
export function perSecond(before, now, seconds) {
  if (now === undefined || seconds <= 0) return 0;
  const grown = now - (before ?? 0);
  return (grown < 0 ? now : grown) / seconds;
}

/// `{rate(leaf), value(leaf), grown(leaf)}` of one subject between two snapshots.
export function window(previous, current, kind, subject) {
  const before = previous?.subjects[kind].get(subject);
  const now = current.subjects[kind].get(subject);
  const seconds = previous ? (current.at - previous.at) / 1000 : 0;
  const rate = (leaf) => (previous ? perSecond(before?.get(leaf), now?.get(leaf), seconds) : 0);
  return {
    seconds,
    value: (leaf) => now?.get(leaf) ?? 0,
    rate,
    grown: (leaf) => rate(leaf) * seconds,
    leaves: now ? [...now.keys()] : [],
  };
}
