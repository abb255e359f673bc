// From /config_dump, /listeners and /clusters to a graph: listener → route → cluster → host. Pure.

import { address } from "./model.js";

/// Nodes of a column that are drawn; the filter finds the others.
export const columnMax = 120;

/// `{columns: {listener, route, cluster, host}, edges: [[from, to]]}`. A node: `{id, name, notes: [text], health, what}`.
export function graph(dump, listeners, clusters) {
  const build = new Builder(listeners, clusters);
  const sections = dump?.configs ?? [];
  const all = (field) => sections.flatMap((section) => section[field] ?? []);
  const named = new Map([...all("static_route_configs"), ...all("dynamic_route_configs")].map((one) => [one.route_config?.name, one.route_config]));
  const configured = [...all("static_listeners").map((one) => one.listener), ...all("dynamic_listeners").map((one) => one.active_state?.listener)];
  for (const listener of configured.filter(Boolean)) build.listener(listener, named);
  build.clusters();
  return build.result();
}

class Builder {
  constructor(listeners, clusters) {
    this.bound = listeners;
    this.status = clusters;
    this.columns = { listener: [], route: [], cluster: [], host: [] };
    this.edges = [];
    /// By node: what follows it.
    this.next = new Map();
    this.used = new Set();
    this.known = new Map();
  }

  node(kind, key, properties) {
    const id = `${kind}:${key}`;
    if (!this.known.has(id)) {
      const node = { id, kind, notes: [], health: "none", ...properties };
      this.known.set(id, node);
      this.columns[kind].push(node);
    }
    return this.known.get(id);
  }

  edge(from, to) {
    const next = this.next.get(from.id) ?? new Set();
    if (next.has(to.id)) return;
    this.next.set(from.id, next.add(to.id));
    this.used.add(to.id);
    this.edges.push([from.id, to.id]);
  }

  listener(message, routes) {
    const place = message.address ? address(message.address) : "";
    const name = message.name || place;
    const bound = this.bound.find((one) => one.name === name)?.local_address;
    const node = this.node("listener", name, { name, notes: [bound ? address(bound) : place].filter((text) => text !== name) });
    const chains = [...(message.filter_chains ?? []), ...(message.default_filter_chain ? [message.default_filter_chain] : [])];
    chains.forEach((chain, i) => {
      const where = chains.length > 1 ? chain.name || serverNames(chain) || `chain ${i}` : "";
      for (const filter of chain.filters ?? []) this.filter(node, filter.typed_config ?? {}, where, routes);
    });
  }

  filter(listener, config, where, routes) {
    const type = (config["@type"] ?? "").split(".").pop();
    if (type === "HttpConnectionManager") {
      const table = config.route_config ?? routes.get(config.rds?.route_config_name);
      for (const host of table?.virtual_hosts ?? []) {
        (host.routes ?? []).forEach((route, i) => this.route(listener, host, route, i, where));
      }
    } else if (type === "TcpProxy") {
      const node = this.node("route", `${listener.id}|${where}|tcp`, { name: "TCP", notes: [where].filter(Boolean) });
      this.edge(listener, node);
      for (const name of config.cluster ? [config.cluster] : (config.weighted_clusters?.clusters ?? []).map((one) => one.name)) this.target(node, name);
    } else if (["Echo", "Config"].includes(type)) {
      this.edge(listener, this.node("route", `${listener.id}|${where}|${type}`, { name: type === "Echo" ? "echo" : "direct response", what: "answered here", health: "healthy" }));
    }
  }

  route(listener, host, route, index, where) {
    const domains = (host.domains ?? []).join(", ");
    const notes = [`${host.name}${domains && domains !== "*" ? ` (${domains})` : ""}`, where].filter(Boolean);
    const node = this.node("route", `${listener.id}|${where}|${host.name}|${index}`, { name: matchText(route.match ?? {}), notes });
    this.edge(listener, node);
    const action = route.route;
    if (route.redirect) node.what = "redirect";
    else if (route.direct_response) node.what = `answers ${route.direct_response.status}`;
    else if (action?.cluster) this.target(node, action.cluster);
    else if (action?.weighted_clusters) {
      const total = action.weighted_clusters.clusters.reduce((sum, one) => sum + (one.weight ?? 0), 0);
      for (const one of action.weighted_clusters.clusters) this.target(node, one.name, total > 0 ? (one.weight ?? 0) / total : null);
    } else if (action?.cluster_header) node.what = `cluster of the header ${action.cluster_header}`;
    if (node.what) node.health = "healthy";
  }

  target(route, name, share = null) {
    const cluster = this.node("cluster", name, { name });
    this.edge(route, cluster);
    if (share !== null) route.notes.push(`${name} ${Math.round(share * 100)} %`);
  }

  /// Also those that no route names.
  clusters() {
    for (const status of this.status) {
      const cluster = this.node("cluster", status.name, { name: status.name });
      const good = status.hosts.filter((host) => host.health === "healthy").length;
      cluster.notes = [status.hosts.length === 0 ? "no hosts" : `${good} of ${status.hosts.length} hosts healthy`, ...(this.used.has(cluster.id) ? [] : ["no route names it"])];
      cluster.health = summary(status.hosts.map((host) => host.health));
      for (const host of status.hosts) {
        const node = this.node("host", `${status.name}|${host.address}`, {
          name: host.address, health: host.health, notes: [host.hostname !== host.address ? host.hostname : "", host.why].filter(Boolean),
        });
        this.edge(cluster, node);
      }
    }
    const there = new Set(this.status.map((status) => status.name));
    for (const node of this.columns.cluster) if (!there.has(node.name)) Object.assign(node, { health: "bad", notes: ["does not exist"] });
  }

  result() {
    this.inherit("route");
    this.inherit("listener");
    return { columns: this.columns, edges: this.edges };
  }

  /// What leads nowhere good is not good itself.
  inherit(kind) {
    for (const node of this.columns[kind]) {
      const next = [...(this.next.get(node.id) ?? [])].map((to) => this.known.get(to).health);
      if (next.length > 0) node.health = summary(next);
    }
  }
}

/// `healthy` when all are, `bad` when none is, else `degraded`; what is not known says nothing.
export function summary(healths) {
  const known = healths.filter((health) => health !== "none");
  if (known.length === 0) return "none";
  if (known.every((health) => health === "healthy")) return "healthy";
  return known.some((health) => health === "healthy" || health === "degraded") ? "degraded" : "bad";
}

function serverNames(chain) {
  return (chain.filter_chain_match?.server_names ?? []).join(", ");
}

/// `/api…`, `= /exact`, `~ regex`, with what else is asked for.
export function matchText(match) {
  const path =
    match.path !== undefined ? `= ${match.path}`
    : match.safe_regex ? `~ ${match.safe_regex.regex}`
    : match.path_separated_prefix !== undefined ? `${match.path_separated_prefix}/…`
    : match.path_match_policy ? match.path_match_policy.typed_config?.path_template ?? "template"
    : match.connect_matcher ? "CONNECT"
    : `${match.prefix ?? "/"}…`;
  const more = [
    ...(match.headers ?? []).map((one) => one.name), ...(match.query_parameters ?? []).map((one) => "?" + one.name),
    ...(match.cookies ?? []).map((one) => "cookie " + one.name), ...(match.grpc ? ["gRPC"] : []),
    ...(match.runtime_fraction ? ["a share"] : []),
  ];
  return more.length > 0 ? `${path} if ${more.join(", ")}` : path;
}

/// Ids of a node and of all that leads to it or follows it.
export function path(edges, id) {
  return together(edges, [id]);
}

/// The same of several nodes.
function together(edges, ids) {
  const lit = new Set();
  for (const [from, to] of [[0, 1], [1, 0]]) {
    const next = new Map();
    for (const edge of edges) {
      if (!next.has(edge[from])) next.set(edge[from], []);
      next.get(edge[from]).push(edge[to]);
    }
    const seen = new Set(ids);
    for (const at of seen) for (const other of next.get(at) ?? []) seen.add(other);
    for (const one of seen) lit.add(one);
  }
  return lit;
}

/// The graph of what the words are found in, with all that hangs together with it.
export function filtered(whole, words) {
  const wanted = words.trim().toLowerCase();
  if (wanted === "") return whole;
  const found = Object.values(whole.columns).flat().filter((node) => [node.name, ...node.notes].some((text) => text.toLowerCase().includes(wanted)));
  const keep = together(whole.edges, found.map((node) => node.id));
  const columns = Object.fromEntries(Object.entries(whole.columns).map(([kind, nodes]) => [kind, nodes.filter((node) => keep.has(node.id))]));
  return { columns, edges: whole.edges.filter(([from, to]) => keep.has(from) && keep.has(to)) };
}
