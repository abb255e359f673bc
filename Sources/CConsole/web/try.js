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
      scheme: h("select", { id: "try-scheme" }, ["http", "https"].map(option)),
      authority: h("input", { id: "try-authority", placeholder: "example.com", autocomplete: "off", spellcheck: "false" }),
      path: h("input", { id: "try-path", value: "/", autocomplete: "off", spellcheck: "false" }),
      headers: h("textarea", { id: "try-headers", placeholder: "x-version: canary\ncookie: a=b", spellcheck: "false" }),
    };
    const names = { listener: "Listener", method: "Method", scheme: "Scheme", authority: "Authority (host)", path: "Path and query", headers: "Headers, one a line" };
    const rows = Object.entries(this.fields).flatMap(([name, field]) => [h("label", { for: "try-" + name }, names[name]), field]);
    this.answer = h("div", { "aria-live": "polite" });
    const form = h("form", { class: "form", onsubmit: (event) => {
      event.preventDefault();
      this.submit();
    } }, rows, h("div", { class: "buttons" }, h("button", { class: "strong" }, "Explain"), h("span", { class: "hint" }, "Nothing is sent to a host.")));
    this.element = h("div", {}, h("h2", {}, "Try a request"), form, this.answer);
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
    for (const name of ["listener", "method", "scheme", "authority", "path"]) query.append(name, this.fields[name].value.trim());
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

const stops = ["listener", "filter_chain", "virtual_host", "route", "cluster", "host"];

/// The way in one line, then everything that the answer says.
export function explanation(answer) {
  const way = stops.filter((name) => answer[name] !== undefined && answer[name] !== null).map((name) => [name, brief(answer[name])]);
  const line = way.flatMap(([name, text], i) => [
    i > 0 && h("span", { class: "arrow", "aria-hidden": "true" }, "→"), h("span", { class: "stop" }, h("small", {}, words(name)), text),
  ]);
  return [h("div", { class: "answer-line" }, line), h("div", { class: "steps" }, tree(answer))];
}

function brief(value) {
  if (typeof value !== "object") return String(value);
  return String(value.name ?? value.address ?? value.match ?? Object.values(value).find((one) => typeof one !== "object") ?? "");
}

export function words(key) {
  const text = key.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/// Any JSON as nested lists: short ones open, long ones folded.
export function tree(value) {
  if (Array.isArray(value)) {
    return h("ol", {}, value.map((one) => h("li", {}, typeof one === "object" && one !== null ? [h("span", { class: "key" }, brief(one)), h("div", { class: "steps" }, tree(one))] : String(one))));
  }
  return h("ul", {}, Object.entries(value).map(([key, one]) => {
    if (one === null || typeof one !== "object") return h("li", {}, h("span", { class: "key" }, words(key)), String(one));
    const amount = Array.isArray(one) ? one.length : Object.keys(one).length;
    const label = [h("span", { class: "key" }, words(key)), Array.isArray(one) ? `${amount}` : brief(one)];
    return h("li", {}, h("details", { open: amount <= 8 }, h("summary", {}, label), h("div", { class: "steps" }, tree(one))));
  }));
}
