// The map: four columns of what the configuration says, joined by lines, coloured by the health of now. On a narrow screen
// the columns stand one below the other and each node names what follows it.

import { h, healthMark, placeholder, refill, replace, svg } from "./dom.js";
import { columnMax, filtered, graph, path } from "./graph.js";

const titles = { listener: "Listeners", route: "Routes", cluster: "Clusters", host: "Hosts" };

export class FlowMap {
  constructor(context) {
    this.context = context;
    this.chosen = null;
    this.words = "";
    this.search = h("input", {
      type: "search", class: "searchbox", placeholder: "Name, path, address …", "aria-label": "Show only what has to do with",
      oninput: (event) => {
        this.words = event.target.value;
        this.show();
      },
    });
    this.links = svg("svg", { class: "links", "aria-hidden": "true" });
    this.columns = h("div", { class: "map" });
    const legend = ["healthy", "degraded", "ejected", "unhealthy"].map((health) => [healthMark(health), ` ${health}  `]);
    this.element = h("div", {}, h("div", { class: "toolbar" }, this.search, h("span", { class: "hint" }, legend)), this.columns);
    new ResizeObserver(() => this.draw()).observe(this.columns);
  }

  show() {
    const { configuration, current } = this.context;
    if (!current || !configuration) return replace(this.columns, placeholder("Reading the configuration …"));
    const whole = graph(configuration.dump, configuration.listeners, current.clusters);
    this.graph = filtered(whole, this.words);
    const text = JSON.stringify([this.graph, this.chosen]);
    if (text === this.shown) return;
    this.shown = text;
    this.names = new Map(Object.values(this.graph.columns).flat().map((node) => [node.id, node.name]));
    if (this.chosen && !this.names.has(this.chosen)) this.chosen = null;
    this.next = new Map();
    for (const [from, to] of this.graph.edges) this.next.set(from, [...(this.next.get(from) ?? []), this.names.get(to)].slice(0, 5));
    const lit = this.chosen ? path(this.graph.edges, this.chosen) : new Set();
    this.columns.classList.toggle("choosing", this.chosen !== null);
    refill(this.columns, this.links, Object.entries(titles).map(([kind, title]) => this.column(kind, title, lit)));
    this.lit = lit;
    this.draw();
  }

  column(kind, title, lit) {
    const nodes = this.graph.columns[kind];
    // Where not all have room, what is not well stands first.
    const ranked = nodes.length > columnMax ? [...nodes].sort((a, b) => isWell(a) - isWell(b)) : nodes;
    const shown = ranked.slice(0, columnMax);
    return h("section", { class: "column" }, h("h2", {}, `${title} (${nodes.length})`), shown.map((node) => this.node(node, lit)),
      nodes.length > shown.length && h("p", { class: "hint" }, `${nodes.length - shown.length} more: type a name above.`));
  }

  node(node, lit) {
    const next = this.next.get(node.id) ?? [];
    const after = next.length > 4 ? [...next.slice(0, 4), "…"] : next;
    return h("button", {
      class: `node ${node.health} ${lit.has(node.id) ? "lit" : ""}`, "data-key": node.id, "aria-pressed": String(this.chosen === node.id),
      onclick: () => {
        this.chosen = this.chosen === node.id ? null : node.id;
        this.show();
      },
    }, h("b", {}, node.kind === "host" || node.kind === "cluster" ? [healthMark(node.health === "bad" ? "unhealthy" : node.health), " "] : null, node.name),
      node.notes.map((text) => h("small", {}, text)), node.what && h("small", {}, "→ " + node.what),
      after.length > 0 && h("small", { class: "to" }, "→ " + after.join(", ")));
  }

  /// Lines between the nodes where they stand now.
  draw() {
    if (!this.graph || !this.columns.clientWidth) return;
    const frame = this.columns.getBoundingClientRect();
    const places = new Map([...this.columns.querySelectorAll(".node")].map((node) => [node.dataset.key, node.getBoundingClientRect()]));
    const health = new Map(Object.values(this.graph.columns).flat().map((node) => [node.id, node.health]));
    const lines = this.graph.edges.map(([from, to]) => {
      const [a, b] = [places.get(from), places.get(to)];
      if (!a || !b) return null;
      const [x1, y1, x2, y2] = [a.right - frame.left, a.top + a.height / 2 - frame.top, b.left - frame.left, b.top + b.height / 2 - frame.top];
      const bend = (x2 - x1) / 2;
      const color = ["unhealthy", "ejected"].includes(health.get(to)) ? "bad" : health.get(to);
      const isLit = this.lit?.has(from) && this.lit?.has(to);
      return svg("path", { class: `${color} ${isLit ? "lit" : ""}`, d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
    });
    replace(this.links, lines.filter(Boolean));
  }
}

function isWell(node) {
  return Number(node.health === "healthy" || node.health === "none");
}
