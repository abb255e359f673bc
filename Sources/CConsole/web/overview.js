// The first page: traffic, latency and errors of everything, or of one listener, cluster or host.

import { h, healthMark, refill, replace } from "./dom.js";
import { byteRate, milliseconds, number, percent, rate, whole } from "./format.js";
import { latencySource, parts } from "./history.js";
import { Plot, sparkline } from "./plot.js";
import { sanitized } from "./names.js";

/// Rows of a table that are shown at once.
const rowsMax = 100;
const sparkTitle = "Last 2 min";

export class Overview {
  constructor(context) {
    this.context = context;
    this.key = "total";
    this.windowMs = 5 * 60000;
    const perSecond = (value) => rate(value);
    this.plots = {
      requests: new Plot("Requests by response", [
        { name: "2xx", key: "2xx", class: "c2" }, { name: "3xx", key: "3xx", class: "c3" },
        { name: "4xx", key: "4xx", class: "c4" }, { name: "5xx", key: "5xx", class: "c5" },
      ], perSecond, { isStacked: true, floor: 1 }),
      latency: new Plot("Latency", [
        { name: "p99", key: "p99", class: "p99" }, { name: "p90", key: "p90", class: "p90" }, { name: "p50", key: "p50", class: "p50" },
      ], milliseconds, { floor: 1 }),
      errors: new Plot("Errors, share of responses", [
        { name: "5xx", key: "share5xx", class: "c5" }, { name: "4xx", key: "share4xx", class: "c4" },
      ], percent, { floor: 0.05 }),
      load: new Plot("Connections", [
        { name: "open", key: "connections", class: "c2" }, { name: "requests under way", key: "active", class: "p50" },
      ], number, { floor: 2 }),
    };
    this.scope = h("select", { id: "scope", onchange: (event) => this.choose(event.target.value) });
    const minutes = [1, 5, 10].map((count) => h("option", { value: count, ...(count === 5 ? { selected: true } : {}) }, `last ${count} min`));
    this.span = h("select", { id: "span", onchange: (event) => this.stretch(Number(event.target.value)) }, minutes);
    this.tiles = h("dl", { class: "tiles" });
    this.tables = h("div", { class: "tables" });
    this.element = h("div", {},
      h("div", { class: "toolbar" }, h("label", { for: "scope" }, "Show "), this.scope, h("label", { for: "span" }, " over the "), this.span),
      this.tiles, h("div", { class: "plots" }, Object.values(this.plots).map((plot) => plot.element)), this.tables);
    this.optionKeys = "";
  }

  choose(key) {
    this.key = key;
    this.show();
  }

  stretch(minutes) {
    this.windowMs = minutes * 60000;
    this.show();
  }

  show() {
    const { history, current } = this.context;
    if (!current) return;
    this.fillScope(current);
    const points = history.get(this.key);
    const latency = this.latencyNote();
    for (const [name, plot] of Object.entries(this.plots)) plot.show(points, history.versions, this.windowMs, name === "latency" ? latency : {});
    this.showTiles(points[points.length - 1], latency.instead === undefined);
    refill(this.tables, this.listenerTable(current), this.clusterTable(current), this.hostTable(current));
  }

  /// `{instead}`: why there is no latency; `{beside}`: of whom it is.
  latencyNote() {
    const { kind, name } = parts(this.key);
    if (kind === "host") return { instead: "Latency is measured per cluster: see the host's cluster." };
    if (kind !== "listener" || !this.context.configuration) return {};
    const { listeners } = this.context;
    if (!listeners.some((one) => one.subject === name)) return { instead: "The configuration does not have this listener (any more, or was not read again yet)." };
    const { managers, shared } = latencySource(name, listeners);
    if (managers.length === 0) return { instead: "No HTTP connection manager is in this listener: nothing measures its latency." };
    const beside = [`Measured by the connection ${managers.length === 1 ? "manager" : "managers"} ${listed(managers)}.`,
      ...shared.map(({ manager, names }) => `${manager} is the stat_prefix in ${names.length === 1 ? "listener" : "listeners"} ${listed(names)}, too: ${names.length === 1 ? "its" : "their"} requests are among these.`)];
    return { beside: beside.join(" ") };
  }

  fillScope(current) {
    const listeners = this.listeners(current);
    const keys = JSON.stringify([listeners, current.clusters.map((one) => [one.name, one.hosts.map((host) => host.address)])]);
    if (keys === this.optionKeys && this.scope.value === this.key) return;
    this.optionKeys = keys;
    const option = (value, text) => h("option", { value }, text);
    const shown = current.clusters.slice(0, rowsMax);
    replace(this.scope,
      option("total", "all traffic"),
      h("optgroup", { label: "Listeners" }, listeners.slice(0, rowsMax).map(({ subject, name }) => option("listener:" + subject, name))),
      h("optgroup", { label: "Clusters" }, shown.map((one) => option("cluster:" + one.name, one.name))),
      h("optgroup", { label: "Hosts" }, shown.flatMap((one) =>
        one.hosts.slice(0, 20).map((host) => option(`host:${one.name}|${host.address}`, `${one.name} · ${host.address}`)))));
    if (![...this.scope.options].some((one) => one.value === this.key)) {
      const { kind, name, address } = parts(this.key);
      this.scope.append(option(this.key, `${kind} ${name}${address === undefined ? "" : " · " + address}`));
    }
    this.scope.value = this.key;
  }

  showTiles(point, hasLatency) {
    const traffic = point && point.received !== null ? byteRate(point.received + point.sent) : null;
    const tiles = [
      ["Requests", point && rate(point.requests)],
      ["Errors (5xx)", point && percent(point.share5xx), point?.share5xx > 0.01 ? "bad" : ""],
      ["Latency p50", hasLatency ? point && milliseconds(point.p50) : null],
      ["Latency p99", hasLatency ? point && milliseconds(point.p99) : null],
      ["Under way", point && point.active !== null ? whole(point.active) + " requests" : null],
      ["Connections", point && whole(point.connections) + " open"],
      ["Bytes in and out", traffic],
    ];
    const shown = tiles.filter(([, value]) => value !== null);
    replace(this.tiles, shown.map(([name, value, mark]) => h("div", { class: "tile " + (mark ?? "") }, h("dt", {}, name), h("dd", {}, value ?? "–"))));
  }

  /// Those of the configuration, and any other that counts something (removed, and draining).
  listeners(current) {
    const names = new Map(this.context.listeners.map(({ subject, name }) => [subject, name]));
    for (const subject of current.subjects.listener.keys()) if (!names.has(subject)) names.set(subject, subject);
    names.delete("admin");
    return [...names].map(([subject, name]) => ({ subject, name })).sort((a, b) => a.name.localeCompare(b.name));
  }

  // Tables

  table(title, columns, rows, left) {
    return h("section", { class: "panel" }, h("h2", {}, title),
      h("div", { class: "scroller", tabindex: 0, role: "region", "aria-label": title }, h("table", {},
        h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col", class: name === sparkTitle ? "sparkhead" : null }, name)))), h("tbody", {}, rows))),
      left > 0 && h("p", { class: "hint" }, `${left} more have less traffic: the search on the statistics page finds them.`));
  }

  /// A cell that chooses what the plots show.
  chooser(key, text) {
    return h("th", { scope: "row" }, h("button", {
      class: "link", "data-key": key, "aria-pressed": String(this.key === key), onclick: () => {
        this.choose(key);
        window.scrollTo({ top: 0, behavior: "smooth" });
      },
    }, text));
  }

  cells(point, points) {
    return [
      h("td", { class: "sparkcell" }, sparkline(points, "requests", "c2")),
      h("td", {}, rate(point?.requests ?? 0)),
      h("td", { class: point?.share5xx > 0.01 ? "bad" : "" }, percent(point?.share5xx ?? 0)),
    ];
  }

  listenerTable(current) {
    const { history } = this.context;
    const names = this.listeners(current);
    const rows = names.slice(0, rowsMax).map(({ subject, name }) => {
      const points = history.get("listener:" + subject);
      const point = points[points.length - 1];
      return h("tr", {}, this.chooser("listener:" + subject, name), this.cells(point, points), h("td", {}, whole(point?.connections ?? 0)));
    });
    if (rows.length === 0) return null;
    return this.table("Listeners", ["Listener", sparkTitle, "Requests", "5xx", "Connections"], rows, names.length - rows.length);
  }

  clusterTable(current) {
    const { history } = this.context;
    const sorted = current.clusters.map((one) => ({ one, points: history.get("cluster:" + one.name) }))
      .sort((a, b) => (b.points.at(-1)?.requests ?? -1) - (a.points.at(-1)?.requests ?? -1));
    const rows = sorted.slice(0, rowsMax).map(({ one, points }) => {
      const point = points[points.length - 1];
      const bins = history.latency([`cluster.${sanitized(one.observed)}.upstream_rq_time`], current.at);
      const good = one.hosts.filter((host) => host.health === "healthy").length;
      return h("tr", {}, this.chooser("cluster:" + one.name, one.name), this.cells(point, points),
        h("td", {}, milliseconds(bins.p50)), h("td", {}, milliseconds(bins.p99)),
        h("td", {}, h("span", { class: "hosts" }, one.hosts.slice(0, 24).map((host) => healthMark(host.health, `${host.address}: ${host.why || host.health}`))), ` ${good} of ${one.hosts.length}`));
    });
    if (rows.length === 0) return null;
    return this.table("Clusters", ["Cluster", sparkTitle, "Requests", "5xx", "p50", "p99", "Healthy hosts"], rows, sorted.length - rows.length);
  }

  /// The hosts of the cluster that is shown.
  hostTable(current) {
    const { kind, name } = parts(this.key);
    const status = kind === "cluster" || kind === "host" ? current.clusters.find((one) => one.name === name) : undefined;
    if (!status) return null;
    const rows = status.hosts.slice(0, rowsMax).map((host) => {
      const key = `host:${name}|${host.address}`;
      const points = this.context.history.get(key);
      return h("tr", {}, this.chooser(key, [healthMark(host.health, host.why || host.health), " " + host.address]),
        this.cells(points[points.length - 1], points), h("td", {}, whole(host.stats.cx_active ?? 0)),
        h("td", {}, whole(host.stats.cx_connect_fail ?? 0)), h("td", {}, String(host.weight)), h("td", {}, host.zone || "–"));
    });
    return this.table(`Hosts of ${name}`, ["Host", sparkTitle, "Requests", "Errors", "Connections", "Connect failures", "Weight", "Zone"], rows, status.hosts.length - rows.length);
  }
}

/// The first of them, and how many more.
function listed(names) {
  const shown = names.slice(0, 3).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
