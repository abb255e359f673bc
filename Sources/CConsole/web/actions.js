// Commands that change something: each a POST, each asked for once more before it is done.

import { h, replace, setText } from "./dom.js";
import { ask } from "./poll.js";

const levels = ["trace", "debug", "info", "warning", "error", "critical", "off"];

export class Commands {
  constructor() {
    this.outcome = h("p", { class: "outcome", role: "status" });
    /// Kept by this page alone, and shown once the admin has asked for it (`--admin-token-file`).
    this.token = h("input", { type: "password", "aria-label": "Token for commands", placeholder: "token", autocomplete: "off", onchange: () => this.refresh() });
    // A form with a name in it: what browsers ask of a field for a password.
    this.tokenLine = h("form", { class: "toolbar", hidden: true, onsubmit: (event) => { event.preventDefault(); this.refresh(); } },
      h("input", { type: "text", name: "username", "aria-label": "User", autocomplete: "username", value: "admin", hidden: true, readonly: true }),
      h("span", {}, "Commands need a token here: "), this.token);
    this.levels = h("div", { class: "levels mono" });
    this.runtime = h("div", { class: "mono" });
    this.element = h("div", {}, h("h2", {}, "Commands"), this.outcome, this.tokenLine, h("div", { class: "actions" },
      this.health(), this.drain(), this.logging(), this.runtimeForm(), this.small()));
  }

  async show() {
    if (this.isShown) return;
    this.isShown = true;
    await this.refresh();
  }

  panel(title, about, ...children) {
    return h("section", { class: "panel" }, h("h3", {}, title), h("p", { class: "hint" }, about), children);
  }

  health() {
    return this.panel("Health checks", "What /ready and the health check filter answer: take the process out of its load balancers, and back.",
      h("div", { class: "buttons" },
        this.button("Fail", "healthcheck/fail", "Load balancers will send no more requests here.", true),
        this.button("Pass", "healthcheck/ok", "/ready answers 200 again.")));
  }

  drain() {
    const flag = (name, text) => h("label", {}, h("input", { type: "checkbox", name }), text);
    return this.panel("Drain listeners", "Listeners stop accepting; what has been accepted goes on. This cannot be taken back.",
      h("form", { onsubmit: (event) => {
        event.preventDefault();
        const chosen = [...event.target.querySelectorAll("input:checked")].map((box) => box.name);
        this.run("drain_listeners" + (chosen.length ? "?" + chosen.join("&") : ""), "New connections will be refused until the process is started anew.");
      } }, flag("graceful", "graceful: first say “connection: close” for a while"), flag("inboundonly", "inbound listeners only"),
        flag("skip_exit", "never stop the listeners"), h("div", { class: "buttons" }, h("button", { class: "danger" }, "Drain"))));
  }

  logging() {
    const level = h("select", { "aria-label": "Level" }, levels.map((name) => h("option", { value: name, selected: name === "info" }, name)));
    this.component = h("select", { "aria-label": "Component" }, h("option", { value: "" }, "all components"));
    return this.panel("Log levels", "Of the process's own log. debug and trace are many lines.",
      h("form", { onsubmit: (event) => {
        event.preventDefault();
        const what = this.component.value === "" ? `level=${level.value}` : `paths=${this.component.value}:${level.value}`;
        this.run("logging?" + what, `${this.component.value || "All components"}: ${level.value}.`);
      } }, this.component, level, h("div", { class: "buttons" }, h("button", {}, "Set"))),
      h("details", {}, h("summary", {}, "Levels now"), this.levels));
  }

  runtimeForm() {
    const key = h("input", { "aria-label": "Key", placeholder: "key", required: true, autocomplete: "off", spellcheck: "false" });
    const value = h("input", { "aria-label": "Value", placeholder: "value; empty: take the override away", autocomplete: "off", spellcheck: "false" });
    return this.panel("Runtime", "Values of the admin layer: they win over all others until the process ends.",
      h("form", { onsubmit: (event) => {
        event.preventDefault();
        this.run(`runtime_modify?${encodeURIComponent(key.value)}=${encodeURIComponent(value.value)}`, `${key.value} = ${value.value || "(no override)"}`);
      } }, key, value, h("div", { class: "buttons" }, h("button", {}, "Set"))),
      h("details", {}, h("summary", {}, "Values now"), this.runtime));
  }

  small() {
    return this.panel("The process", "Counters, log files, the end.",
      h("div", { class: "buttons" },
        this.button("Reopen logs", "reopen_logs", "Log files are opened anew, as after a rotation."),
        this.button("Reset counters", "reset_counters", "All counters become 0, for whoever scrapes them too.", true),
        this.button("Quit", "quitquitquit", "The process drains its connections and ends.", true)));
  }

  button(text, path, consequence, isDangerous = false) {
    return h("button", { class: isDangerous ? "danger" : "", type: "button", onclick: () => this.run(path, consequence) }, text);
  }

  async run(path, consequence) {
    if (!(await confirmed(`POST /${path.split("?")[0]}`, consequence))) return;
    try {
      const answer = await this.post(path);
      const text = (await answer.text()).trim();
      const first = text.split("\n")[0];
      this.outcome.className = "outcome " + (answer.ok ? "good" : "bad");
      setText(this.outcome, answer.ok ? `/${decodeURIComponent(path)}: done` : `/${path}: ${answer.status} ${first}`);
    } catch (error) {
      this.outcome.className = "outcome bad";
      setText(this.outcome, `/${path}: no answer (${error.message})`);
    }
    await this.refresh();
  }

  async post(path) {
    const token = this.token.value.trim();
    const answer = await ask(path, { method: "POST", headers: token === "" ? {} : { authorization: `Bearer ${token}` } });
    if (answer.status === 401) this.tokenLine.hidden = false;
    return answer;
  }

  showLevels(lines) {
    replace(this.levels, lines.map((line) => h("div", {}, line)));
    const chosen = this.component.value;
    replace(this.component, h("option", { value: "" }, "all components"), lines.map((line) => {
      const name = line.split(":")[0];
      return h("option", { value: name, selected: name === chosen }, name);
    }));
  }

  async refresh() {
    try {
      const logging = await this.post("logging");
      const text = await logging.text();
      if (logging.ok) this.showLevels(text.split("\n").slice(1).map((line) => line.trim()).filter(Boolean));
      else if (logging.status === 403) {
        this.outcome.className = "outcome bad";
        setText(this.outcome, text.trim());
      }
      const { entries = {} } = await (await ask("runtime")).json();
      const values = Object.entries(entries).map(([name, entry]) => h("div", {}, `${name} = ${entry.final_value}`));
      replace(this.runtime, values.length > 0 ? values : h("div", { class: "hint" }, "none"));
    } catch {
      // The poll says already that the admin does not answer.
    }
  }
}

/// Asks in a dialog; true for yes.
function confirmed(title, text) {
  const dialog = document.getElementById("confirm");
  if (dialog.open) return Promise.resolve(false);
  setText(document.getElementById("confirm-title"), title);
  setText(document.getElementById("confirm-text"), text);
  dialog.showModal();
  return new Promise((resolve) => {
    const end = new AbortController();
    const answered = (event) => {
      end.abort();
      resolve(event.submitter?.value === "yes");
    };
    dialog.addEventListener("submit", answered, end);
    dialog.addEventListener("cancel", answered, end);
  });
}
