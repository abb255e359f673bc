// The page that says what is wrong now, in sentences; and what was, since the page is open.

import { h, placeholder, replace } from "./dom.js";
import { duration, time } from "./format.js";
import { link } from "./link.js";
import { rules } from "./rules.js";
import { title } from "./problems.js";

export class Wrong {
  constructor(context) {
    this.context = context;
    this.now = h("div", { class: "cards", "aria-live": "polite" });
    this.past = h("div", {});
    this.element = h("div", {}, h("h2", {}, "What is wrong now"), this.now, this.past);
    this.shown = "";
  }

  show() {
    const { problems, current } = this.context;
    if (!current) return;
    const open = problems.sentences(current.at);
    const text = JSON.stringify([open.map(({ what, began }) => [what, began]), problems.over.length]);
    const minute = Math.floor(current.at / 10000);
    // A screen reader is told what changed, not the same again every two seconds.
    if (text + minute === this.shown) return;
    this.shown = text + minute;
    replace(this.now, open.length > 0 ? open.map((problem) => this.card(problem, current.at)) : this.allIsWell());
    const over = problems.over.slice(0, 10);
    replace(this.past, over.length > 0 && [h("h2", {}, "Over"), h("ul", { class: "plain" }, over.map((one) => h("li", {},
      h("strong", {}, this.named(one)), `: ${one.phrase}; from ${time(one.since, current.at)} to ${time(one.until, current.at)}`)))]);
  }

  /// Listeners are known by their names, not by what their statistics are called.
  named(problem) {
    const name = problem.kind === "listener" ? this.context.listeners.find((one) => one.subject === problem.subject)?.name : null;
    return title(name ? { ...problem, subject: name } : problem);
  }

  card(problem, now) {
    const traffic = ["cluster", "listener"].includes(problem.kind) && link("overview", `${problem.kind}:${problem.subject}`);
    return h("article", { class: "card " + problem.severity },
      h("p", { class: "sentence" }, h("span", { class: "badge", "aria-hidden": "true" }, problem.severity === "bad" ? "!" : "?"),
        h("strong", {}, this.named(problem)), `: ${problem.what}; `, h("span", { class: "began" }, problem.began), "."),
      problem.advice.map((line) => h("p", { class: "advice" }, line)),
      h("p", { class: "hint" }, `For ${duration((now - problem.since) / 1000)}. `,
        traffic && h("a", { href: traffic }, "Show its traffic"), traffic && " · ", h("a", { href: "#changes" }, "What changed")));
  }

  allIsWell() {
    return [placeholder("Nothing that the console looks for is wrong."),
      h("p", { class: "hint" }, `It looks for ${Object.keys(rules).length} things: hosts that are not healthy, error and retry rates, failing connections, handshakes and look-ups, open circuit breakers, requests without a route, refused reloads and updates, workers that lag, certificates that expire, lost log lines, traces and statistics. docs/console.md lists them.`)];
  }
}
