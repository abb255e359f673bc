// Try a request: which listener, filter chain, virtual host, route, cluster and host it would take, and why the others did
// not match. The process answers (/explain); nothing is sent to anybody.

import { h, placeholder, replace } from "./dom.js";
import { ask } from "./poll.js";

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT"];

export class Try {
  constructor(context) {
    this.context = context;
    const option = (text) => h("option", { value: text }, text);
    this.fields = {
      listener: h("select", { id: "try-listener" }),
      method: h("select", { id: "try-method" }, methods.map(option)),
      scheme: h("select", { id: "try-scheme", onchange: () => this.showTLS() }, ["http", "https"].map(option)),
      sni: h("input", { id: "try-sni", placeholder: "the authority", autocomplete: "off", spellcheck: "false" }),
      alpn: h("select", { id: "try-alpn" }, h("option", { value: "" }, "none"), ["h2", "http/1.1"].map(option)),
      authority: h("input", { id: "try-authority", placeholder: "example.com", autocomplete: "off", spellcheck: "false" }),
      path: h("input", { id: "try-path", value: "/", autocomplete: "off", spellcheck: "false" }),
      headers: h("textarea", { id: "try-headers", placeholder: "x-version: canary\ncookie: a=b", spellcheck: "false" }),
    };
    const names = { listener: "Listener", method: "Method", scheme: "Scheme", sni: "Server name (SNI)", alpn: "Offers (ALPN)", authority: "Authority (host)", path: "Path and query", headers: "Headers, one a line" };
    const rows = Object.entries(this.fields).flatMap(([name, field]) => [h("label", { for: "try-" + name }, names[name]), field]);
    this.answer = h("div", { "aria-live": "polite" });
    const form = h("form", { class: "form", onsubmit: (event) => {
      event.preventDefault();
      this.submit();
    } }, rows, h("div", { class: "buttons" }, h("button", { class: "strong" }, "Explain"), h("span", { class: "hint" }, "Nothing is sent to a host.")));
    this.element = h("div", {}, h("h2", {}, "Try a request"), form, this.answer);
    this.showTLS();
  }

  /// What only a TLS client has.
  showTLS() {
    for (const field of [this.fields.sni, this.fields.alpn]) {
      field.hidden = this.fields.scheme.value !== "https";
      const label = this.element.querySelector(`label[for="${field.id}"]`);
      label.hidden = field.hidden;
    }
  }

  show() {
    const listeners = this.context.configuration?.listeners ?? [];
    const names = listeners.map((one) => one.name);
    if (names.join("\n") === this.names) return;
    this.names = names.join("\n");
    const chosen = this.fields.listener.value;
    replace(this.fields.listener, names.map((name) => h("option", { value: name, selected: name === chosen }, name)));
  }

  query() {
    const query = new URLSearchParams();
    for (const name of ["listener", "method", "authority", "path"]) query.append(name, this.fields[name].value.trim());
    if (this.fields.scheme.value === "https") {
      query.append("tls", "true");
      query.append("sni", this.fields.sni.value.trim() || this.fields.authority.value.trim().replace(/:\d+$/, ""));
    }
    const alpn = this.fields.alpn.value;
    if (alpn !== "") query.append("alpn", alpn);
    for (const line of this.fields.headers.value.split("\n")) if (line.trim() !== "") query.append("header", line.trim());
    // The admin takes a plus as a plus.
    return query.toString().replaceAll("+", "%20");
  }

  async submit() {
    replace(this.answer, placeholder("…"));
    try {
      const answer = await ask("explain?" + this.query());
      const text = await answer.text();
      if (answer.status === 404 && !text.startsWith("{")) {
        replace(this.answer, placeholder("This build has no /explain: it cannot say which way a request takes."));
      } else if (!answer.ok && !text.startsWith("{")) {
        replace(this.answer, h("p", { class: "bad" }, text));
      } else {
        replace(this.answer, explanation(JSON.parse(text)));
      }
    } catch (error) {
      replace(this.answer, h("p", { class: "bad" }, `No answer: ${error.message}`));
    }
  }
}

const stops = ["listener", "filter_chain", "virtual_host", "route", "cluster"];
const good = ["forward", "tcp_proxy", "redirect", "direct_response", "echo"];

/// What comes of it, the way in one line, then everything that the answer says, a panel for each step.
export function explanation(answer) {
  const way = stops.filter((name) => answer[name] !== undefined && answer[name] !== null).map((name) => [name, stopText(name, answer[name])]);
  const line = way.flatMap(([name, text], i) => [
    i > 0 && h("span", { class: "arrow", "aria-hidden": "true" }, "→"), h("span", { class: "stop" }, h("small", {}, words(name)), text),
  ]);
  const panels = Object.entries(answer).filter(([, value]) => typeof value === "object" && value !== null);
  return [outcome(answer), h("div", { class: "answer-line" }, line),
    h("div", { class: "steps" }, panels.map(([name, value]) => h("section", { class: "panel" }, h("h3", {}, words(name)), facts(value))))];
}

function outcome(answer) {
  const { outcome, because, status, response_flags: flags, location } = answer;
  if (outcome === undefined) return null;
  const more = [status && `status ${status}`, flags && `response flags ${flags}`, location && `location ${location}`].filter(Boolean);
  return h("p", { class: "outcome-line " + (good.includes(outcome) ? "fine" : "bad") },
    h("strong", {}, words(outcome)), because && `: ${because}`, more.length > 0 && ` (${more.join(", ")})`);
}

function stopText(name, value) {
  return (name === "route" && value.match) || brief(value);
}

function brief(value) {
  if (typeof value !== "object" || value === null) return String(value);
  return String(value.name ?? value.address ?? value.match ?? Object.values(value).find((one) => typeof one !== "object") ?? "");
}

export function words(key) {
  const text = key.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/// Any JSON: names and values; a list of small things a line each, the first of them strong.
export function facts(value) {
  if (Array.isArray(value)) return h("ul", { class: "facts-list" }, value.map((one) => h("li", {}, line(one))));
  return h("dl", { class: "facts-table" }, Object.entries(value).map(([key, one]) => [
    h("dt", {}, words(key)), h("dd", {}, one === null || typeof one !== "object" ? String(one) : folded(one)),
  ]));
}

function line(value) {
  if (value === null || typeof value !== "object") return String(value);
  const entries = Object.values(value);
  if (entries.some((one) => typeof one === "object" && one !== null)) return facts(value);
  return [h("b", {}, String(entries[0])), entries.length > 1 && h("span", {}, " " + entries.slice(1).map(String).join(" · "))];
}

function folded(value) {
  const amount = Array.isArray(value) ? value.length : Object.keys(value).length;
  if (amount === 0) return "none";
  return amount <= 12 ? facts(value) : h("details", {}, h("summary", {}, `${amount}`), facts(value));
}
