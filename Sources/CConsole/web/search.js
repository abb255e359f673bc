// Search over statistics: by name or by what they mean, each with its explanation, its value and its rate.

import { h, placeholder, replace } from "./dom.js";
import { bytes, duration, milliseconds, rate, whole } from "./format.js";
import { ask } from "./poll.js";
import { explain, filter, load, words } from "./explanations.js";
import { perSecond } from "./model.js";

const rowsMax = 200;
const waitMs = 250;

export class Statistics {
  constructor(context) {
    this.context = context;
    this.box = h("input", {
      type: "search", class: "searchbox", placeholder: "timeout, retry, payments 5xx, handshake …", "aria-label": "Search statistics by name or meaning",
      autocomplete: "off", spellcheck: "false", oninput: () => this.later(),
    });
    this.used = h("input", { type: "checkbox", onchange: () => this.later() });
    this.hint = h("p", { class: "hint", role: "status" });
    this.results = h("div", { class: "results" });
    this.panel = h("section", { class: "panel" }, this.results);
    this.element = h("div", {}, h("h2", {}, "Statistics"),
      h("div", { class: "toolbar" }, this.box, h("label", {}, this.used, " only what has counted something")), this.hint,
      this.panel);
    this.last = null;
    this.round = 0;
  }

  choose(text) {
    this.box.value = text;
    this.later();
  }

  async show() {
    this.entries ??= await load();
    if (this.context.current?.at === this.asked) return;
    this.asked = this.context.current?.at;
    if (!this.isAsking) await this.ask();
  }

  later() {
    clearTimeout(this.timer);
    this.last = null;
    this.timer = setTimeout(() => this.ask(), waitMs);
  }

  async ask() {
    const text = this.box.value.trim();
    if (text === "" || !this.entries) {
      this.panel.hidden = false;
      replace(this.results, placeholder("Type what you look for: a part of a name, or a word of what it means."));
      this.hint.textContent = "";
      return;
    }
    this.isAsking = true;
    const round = ++this.round;
    try {
      const used = this.used.checked ? "&usedonly" : "";
      const answer = await ask(`stats?format=json${used}&filter=${encodeURIComponent(filter(this.entries, text))}`);
      if (!answer.ok) throw new Error(await answer.text());
      const { stats } = await answer.json();
      if (round === this.round) this.found(stats, text);
    } catch (error) {
      this.panel.hidden = false;
      replace(this.results, h("p", { class: "bad" }, error.message));
    }
    this.isAsking = false;
  }

  found(stats, text) {
    const rows = [];
    for (const entry of stats) {
      if (entry.histograms) {
        const { computed_quantiles: computed, supported_quantiles: quantiles } = entry.histograms;
        for (const one of computed) rows.push({ name: one.name, quantiles: quantiles.map((q, i) => [q, one.values[i].cumulative]) });
      } else rows.push({ name: entry.name, value: entry.value });
    }
    const at = performance.now();
    const before = this.last;
    this.last = { at, values: new Map(rows.map((row) => [row.name, row.value])) };
    this.hint.textContent = rows.length === 0 ? "Nothing found." + (this.used.checked ? " Perhaps what has not counted anything yet: take the tick away." : "")
      : rows.length > rowsMax ? `${whole(rows.length)} statistics, the first ${rowsMax} of them.` : `${whole(rows.length)} ${rows.length === 1 ? "statistic" : "statistics"}.`;
    this.panel.hidden = rows.length === 0;
    replace(this.results, rows.slice(0, rowsMax).map((row) => this.row(row, text, before, at)));
  }

  row(row, text, before, at) {
    const entry = explain(this.entries, row.name);
    return h("div", { class: "stat" }, h("span", { class: "mono" }, marked(row.name, words(text))),
      h("span", { class: "amount" }, row.quantiles ? quantilesText(row.quantiles, entry?.unit) : amount(row, entry?.unit, before, at)),
      h("p", {}, entry?.text ?? "No explanation."));
  }
}

/// The words that were looked for stand out.
function marked(name, wanted) {
  if (wanted.length === 0) return name;
  const pattern = new RegExp(`(${wanted.map((word) => word.replace(/[.+*?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "gi");
  return name.split(pattern).map((part, i) => (i % 2 ? h("mark", {}, part) : part));
}

function withUnit(value, unit) {
  switch (unit) {
    case "bytes": return bytes(value);
    case "ms": return milliseconds(value);
    case "s": return duration(value);
    case "-": case undefined: return whole(value);
    default: return `${whole(value)} ${unit}`;
  }
}

function amount(row, unit, before, at) {
  if (typeof row.value !== "number") return String(row.value);
  const old = before?.values.get(row.name);
  const grown = old !== undefined && row.value > old ? ` (+${rate(perSecond(old, row.value, (at - before.at) / 1000))})` : "";
  return withUnit(row.value, unit) + grown;
}

function quantilesText(quantiles, unit) {
  const shown = quantiles.filter(([q, value]) => [50, 90, 99].includes(q) && value !== null);
  if (shown.length === 0) return "no samples";
  return shown.map(([q, value]) => `p${q} ${withUnit(value, unit)}`).join(" · ");
}
