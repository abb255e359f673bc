// The last minutes of every subject that has traffic, for the plots. Pure: it is told snapshots.

import { window } from "./model.js";
import { difference, merged, quantile, total } from "./quantiles.js";
import { sanitized } from "./names.js";

/// Readings that are kept: ten minutes at one every two seconds.
export const pointsMax = 300;
/// Listeners, clusters and hosts with a history of their own: those that have traffic first.
export const subjectsMax = 300;
/// Readings of histograms change every five seconds; what is older than this is no latency of now.
const latencyAgeMs = 15000;

/// `{kind, name, address}` of a key of a history. An address has no bar, the name of a cluster may (`outbound|80||reviews`).
export function parts(key) {
  const colon = key.indexOf(":");
  if (colon < 0) return { kind: key, name: "" };
  const [kind, name] = [key.slice(0, colon), key.slice(colon + 1)];
  const bar = kind === "host" ? name.lastIndexOf("|") : -1;
  return bar < 0 ? { kind, name } : { kind, name: name.slice(0, bar), address: name.slice(bar + 1) };
}

export const classes = ["2xx", "3xx", "4xx", "5xx"];

export class History {
  constructor() {
    this.series = new Map();
    this.latencies = new Map();
    /// How many subjects had no room.
    this.left = 0;
    /// `{at, version}` of each change of the configuration version that was seen.
    this.versions = [];
  }

  /// By key: `total`, `listener:<name in statistics>`, `cluster:<name>`, `host:<cluster>|<address>`.
  get(key) {
    return this.series.get(key) ?? [];
  }

  /// `listeners`: of the configuration (`configuredListeners`), as far as it is known.
  add(previous, current, listeners = []) {
    this.left = 0;
    const plan = current.data.plan;
    const last = this.versions[this.versions.length - 1];
    if (plan !== undefined && last?.version !== plan) this.versions.push({ at: current.at, version: plan, isFirst: !last });
    if (this.versions.length > 100) this.versions.shift();
    if (!previous) {
      for (const [name, bins] of current.histograms) this.latencies.set(name, { bins, at: current.at, delta: [] });
      return;
    }
    this.readLatencies(current);
    this.push("total", total_(previous, current, this));
    for (const subject of current.subjects.listener.keys()) {
      if (subject !== "admin") this.push("listener:" + subject, listener(previous, current, subject, managersOf(subject, listeners), this));
    }
    const before = new Map(previous.clusters.map((one) => [one.name, one]));
    for (const status of current.clusters) {
      const subject = sanitized(status.observed);
      const point = cluster(previous, current, subject, this);
      if (point.requests > 0 || this.series.has("cluster:" + status.name)) this.push("cluster:" + status.name, point);
      this.addHosts(previous, current, status, before.get(status.name));
    }
  }

  addHosts(previous, current, status, before) {
    const seconds = (current.at - previous.at) / 1000;
    const old = new Map((before?.hosts ?? []).map((one) => [one.address, one]));
    for (const host of status.hosts) {
      const key = `host:${status.name}|${host.address}`;
      const point = hostPoint(old.get(host.address), host, seconds, current.at);
      if (point.requests > 0 || this.series.has(key)) this.push(key, point);
    }
  }

  push(key, point) {
    let points = this.series.get(key);
    if (!points) {
      if (this.series.size >= subjectsMax) {
        this.left += 1;
        return;
      }
      points = [];
      this.series.set(key, points);
    }
    points.push(point);
    if (points.length > pointsMax) points.shift();
  }

  /// Main merges histograms every five seconds: the distribution of now is what the last merge that brought anything added.
  readLatencies(current) {
    for (const [name, bins] of current.histograms) {
      const known = this.latencies.get(name);
      const delta = difference(known?.bins, bins);
      if (known && total(delta) === 0) continue;
      this.latencies.set(name, { bins, at: current.at, delta });
    }
  }

  /// p50, p90 and p99 of now over the histograms of these names, in milliseconds; null without any.
  latency(names, at) {
    const recent = names.map((name) => this.latencies.get(name)).filter((known) => known && at - known.at < latencyAgeMs);
    const bins = merged(recent.map((known) => known.delta));
    return { p50: quantile(bins, 0.5), p90: quantile(bins, 0.9), p99: quantile(bins, 0.99) };
  }
}

function codes(rates, prefix) {
  return Object.fromEntries(classes.map((name) => [name, rates(prefix + name)]));
}

function completed(point) {
  return classes.reduce((sum, name) => sum + point[name], 0);
}

function withShares(point) {
  const all = completed(point);
  return { ...point, share4xx: all > 0 ? point["4xx"] / all : 0, share5xx: all > 0 ? point["5xx"] / all : 0 };
}

function total_(previous, current, history) {
  const managers = [...current.subjects.http.keys()].filter((name) => name !== "admin" && name !== "async-client");
  const sums = {};
  for (const subject of managers) {
    const { rate, value } = window(previous, current, "http", subject);
    const part = {
      requests: rate("downstream_rq_total"), active: value("downstream_rq_active"),
      received: rate("downstream_cx_rx_bytes_total"), sent: rate("downstream_cx_tx_bytes_total"),
      ...codes(rate, "downstream_rq_"),
    };
    for (const [name, amount] of Object.entries(part)) sums[name] = (sums[name] ?? 0) + amount;
  }
  let connections = 0;
  for (const [subject, leaves] of current.subjects.listener) {
    if (subject !== "admin") connections += leaves.get("downstream_cx_active") ?? 0;
  }
  for (const subject of current.subjects.tcp.keys()) {
    const { rate } = window(previous, current, "tcp", subject);
    sums.received = (sums.received ?? 0) + rate("downstream_cx_rx_bytes_total");
    sums.sent = (sums.sent ?? 0) + rate("downstream_cx_tx_bytes_total");
  }
  const empty = { requests: 0, active: 0, received: 0, sent: 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0 };
  const names = managers.map((name) => `http.${name}.downstream_rq_time`);
  return withShares({ at: current.at, ...empty, ...sums, connections, ...history.latency(names, current.at) });
}

/// Latency is that of the connection managers, whoever else has their `stat_prefix`: listeners have no histogram of their own.
function listener(previous, current, subject, managers, history) {
  const { rate, value } = window(previous, current, "listener", subject);
  const point = { at: current.at, active: null, received: null, sent: null, ...codes(rate, "http.downstream_rq_") };
  return withShares({
    ...point, requests: completed(point), connections: value("downstream_cx_active"), opened: rate("downstream_cx_total"),
    ...history.latency(managers.map((name) => `http.${name}.downstream_rq_time`), current.at),
  });
}

function managersOf(subject, listeners) {
  return [...new Set(listeners.filter((one) => one.subject === subject).flatMap((one) => one.managers))];
}

/// Of whom a listener's latency is: `{managers, shared: [{manager, names}]}`; `names`: other listeners with that `stat_prefix`.
export function latencySource(subject, listeners) {
  const managers = managersOf(subject, listeners);
  const others = listeners.filter((one) => one.subject !== subject);
  const shared = managers.map((manager) => ({ manager, names: others.filter((one) => one.managers.includes(manager)).map((one) => one.name) }));
  return { managers, shared: shared.filter(({ names }) => names.length > 0) };
}

function cluster(previous, current, subject, history) {
  const { rate, value } = window(previous, current, "cluster", subject);
  return withShares({
    at: current.at, requests: rate("upstream_rq_total"), active: value("upstream_rq_active"),
    connections: value("upstream_cx_active"), received: rate("upstream_cx_rx_bytes_total"),
    sent: rate("upstream_cx_tx_bytes_total"), ...codes(rate, "upstream_rq_"),
    ...history.latency([`cluster.${subject}.upstream_rq_time`], current.at),
  });
}

/// Hosts count successes and errors (5xx, resets, timeouts), neither codes nor times.
function hostPoint(before, host, seconds, at) {
  const rate = (name) => {
    const grown = (host.stats[name] ?? 0) - (before?.stats[name] ?? 0);
    return seconds > 0 ? Math.max(0, grown) / seconds : 0;
  };
  return withShares({
    at, requests: rate("rq_total"), active: host.stats.rq_active ?? 0, connections: host.stats.cx_active ?? 0,
    received: null, sent: null, "2xx": rate("rq_success"), "3xx": 0, "4xx": 0, "5xx": rate("rq_error"),
    p50: null, p90: null, p99: null,
  });
}
