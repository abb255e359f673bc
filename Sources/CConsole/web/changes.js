// What changed last: configurations that were applied or refused, hosts that came and went, commands that were given.

import { h, placeholder, replace } from "./dom.js";
import { count, duration, time } from "./format.js";

const quiet = ["hosts", "runtime", "healthChecksPass", "certificates"];
const bad = ["refused", "certificatesRefused"];

export class Changes {
  constructor(context) {
    this.context = context;
    this.workers = h("div", {});
    this.list = h("ol", { class: "timeline" });
    this.element = h("div", {}, h("h2", {}, "Configuration per worker"), this.workers, h("h2", {}, "What changed last"), this.list);
  }

  show() {
    const { current } = this.context;
    if (!current) return;
    const { plan, workers = [], events = [], config } = current.data;
    const text = JSON.stringify([plan, workers, events.length, events.at(-1), Math.floor(current.at / 30000)]);
    if (text === this.shown) return;
    this.shown = text;
    replace(this.workers, workersText(plan, workers, config));
    const shown = [...events].reverse();
    replace(this.list, shown.map((event) => this.entry(event, current.at)));
    if (shown.length === 0) replace(this.list, placeholder("Nothing yet."));
  }

  entry(event, now) {
    return h("li", { class: bad.includes(event.kind) ? "bad" : quiet.includes(event.kind) ? "quiet" : "" },
      h("time", { datetime: new Date(event.at).toISOString() }, `${time(event.at, now)} · ${duration((now - event.at) / 1000)} ago`),
      h("div", {}, h("strong", {}, headline(event))),
      parts("listener", event.listeners), parts("cluster", event.clusters), lines(event));
  }
}

function workersText(plan, workers, config) {
  const late = workers.map((version, i) => ({ version, i })).filter(({ version }) => version !== plan);
  const words = late.length === 0
    ? `${workers.length === 1 ? "The worker runs" : `All ${workers.length} workers run`} version ${plan}.`
    : `Version ${plan} is published; ` + late.map(({ version, i }) => `worker ${i} still runs version ${version}`).join(", ") + ".";
  return [h("p", { class: late.length ? "bad" : "" }, words), config && h("p", { class: "hint" }, "Read from ", h("code", {}, config), "; SIGHUP reads it again.")];
}

export function headline(event) {
  const file = event.subject || "the configuration";
  switch (event.kind) {
    case "applied": return `Version ${event.version}: ${file} applied`;
    case "refused": return `${file} refused: ${count(event.lineCount, "error")}. Version ${event.version} serves on`;
    case "hosts": return `Version ${event.version}: hosts of cluster ${event.subject} changed`;
    case "certificates": return `${event.subject}: certificates read again`;
    case "certificatesRefused": return `${event.subject}: new certificate files refused, the old certificates serve on`;
    case "draining": return `${event.subject}: the process drains and ends`;
    case "listenersDrained": return "/drain_listeners: listeners stop accepting";
    case "healthChecksFail": return "/healthcheck/fail: /ready answers 503";
    case "healthChecksPass": return "/healthcheck/ok: /ready answers 200 again";
    case "runtime": return "Runtime modified";
    default: return event.kind;
  }
}

/// "2 clusters modified: payments, catalog".
function parts(what, counts) {
  return ["added", "modified", "removed"].map((how) => {
    const [amount, names] = counts?.[how] ?? [0, []];
    if (amount === 0) return null;
    return h("div", {}, `${count(amount, what)} ${how}: `, h("span", { class: "mono" }, names.join(", ")), amount > names.length && ` and ${amount - names.length} more`);
  });
}

function lines(event) {
  if (event.lines.length === 0) return null;
  const left = event.lineCount - event.lines.length;
  return h("pre", {}, event.lines.join("\n") + (left > 0 ? `\n… and ${left} more` : ""));
}
