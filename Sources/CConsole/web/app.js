// The console: pages by the address behind #, one poll for all of them.

import { h, replace, setText } from "./dom.js";
import { count, duration } from "./format.js";
import { History } from "./history.js";
import { linked } from "./link.js";
import { attributed, configuredListeners } from "./model.js";
import { findings } from "./rules.js";
import { Problems } from "./problems.js";
import { Poll, configuration } from "./poll.js";
import { Overview } from "./overview.js";
import { FlowMap } from "./map.js";
import { Wrong } from "./wrong.js";
import { Changes } from "./changes.js";
import { Statistics } from "./search.js";
import { Try } from "./try.js";
import { Commands } from "./actions.js";

/// Rules compare snapshots that lie so far apart: a single burst is no trend.
const baselineMs = 10000;
/// A dump of ten thousand clusters is long: it is asked for at most so often, however often names are answered for.
const configurationMs = 10000;
const savedKey = "martlet-problems";

/// What pages read.
const context = { history: new History(), problems: loadProblems(), current: null, configuration: null, listeners: [] };
const snapshots = [];
let configurationVersion = null;
let configurationAt = -Infinity;

const pages = {
  overview: ["Overview", Overview], map: ["Map", FlowMap], wrong: ["What is wrong", Wrong], changes: ["What changed", Changes],
  statistics: ["Statistics", Statistics], try: ["Try a request", Try], commands: ["Commands", Commands],
};
const made = {};
let page = null;

const element = (id) => document.getElementById(id);
const poll = new Poll(received, failed);

function route() {
  const { page: name, rest } = linked(location.hash);
  const known = Object.hasOwn(pages, name) ? name : "overview";
  const [title, Page] = pages[known];
  made[known] ??= new Page(context, poll);
  const isOther = page !== made[known];
  page = made[known];
  document.title = `${title} · Martlet`;
  for (const link of document.querySelectorAll("nav a[href^='#']")) {
    if (link.hash === "#" + known) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (isOther) {
    replace(element("page"), page.element);
    document.querySelector("nav a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  if (rest !== undefined) page.choose?.(rest);
  page.show();
}

async function received(snapshot) {
  context.current = snapshot;
  if (isAnotherProcess(snapshot)) {
    snapshots.length = 0;
    context.history = new History();
    configurationVersion = null;
    configurationAt = -Infinity;
  }
  context.history.add(snapshots[snapshots.length - 1], snapshot, context.listeners);
  snapshots.push(snapshot);
  const older = snapshots.filter((one) => snapshot.at - one.at >= baselineMs);
  const before = older[older.length - 1] ?? snapshots[0];
  while (snapshots[0] !== before) snapshots.shift();
  context.problems.update(before === snapshot ? findings(snapshot, snapshot) : findings(before, snapshot), snapshot);
  saveProblems();
  showHeader(snapshot);
  page.show();
  if (configurationVersion !== snapshot.data.plan && performance.now() - configurationAt >= configurationMs) {
    configurationVersion = snapshot.data.plan;
    configurationAt = performance.now();
    try {
      context.configuration = await configuration();
      learn(configuredListeners(context.configuration.dump, context.configuration.listeners));
      page.show();
    } catch (error) {
      configurationVersion = null;
    }
  }
}

/// What is compared must have been taken apart alike.
function learn(listeners) {
  context.listeners = listeners;
  poll.listeners = new Set(listeners.map((one) => one.subject));
  snapshots.forEach((one, i) => (snapshots[i] = attributed(one, poll.listeners)));
  context.current = snapshots[snapshots.length - 1];
}

/// A counter of seconds that went back.
function isAnotherProcess(snapshot) {
  const last = snapshots[snapshots.length - 1];
  return last !== undefined && snapshot.data.uptime < last.data.uptime;
}

function showHeader(snapshot) {
  const { state, plan, workers, uptime, version } = snapshot.data;
  setText(element("state"), state);
  element("state").className = "pill " + (state === "LIVE" ? "good" : "warn");
  const release = version?.split("/")[1] ?? "";
  setText(element("facts"), `${release} · configuration version ${plan} · ${count(workers?.length ?? 0, "worker")} · up ${duration(uptime)}`);
  element("failure").hidden = true;
  const open = context.problems.sentences(snapshot.at);
  const badge = element("wrong-count");
  badge.hidden = open.length === 0;
  badge.className = "count" + (open.some((one) => one.severity === "bad") ? "" : " warn");
  setText(badge, String(open.length));
  badge.setAttribute("aria-label", count(open.length, "problem"));
}

function failed(error) {
  const words = error.name === "TimeoutError" ? "The admin interface takes longer than 15 s to answer." : `The admin interface does not answer (${error.message}).`;
  element("failure").hidden = false;
  setText(element("failure"), words + " Asked again every 2 s.");
  element("state").className = "pill bad";
  setText(element("state"), "NO ANSWER");
}

function loadProblems() {
  try {
    return new Problems(JSON.parse(sessionStorage.getItem(savedKey)));
  } catch {
    return new Problems();
  }
}

function saveProblems() {
  try {
    sessionStorage.setItem(savedKey, JSON.stringify(context.problems.saved()));
  } catch {
    // Without storage a reload of the page begins anew.
  }
}

element("pause").addEventListener("click", (event) => {
  poll.pause(!poll.isPaused);
  event.target.setAttribute("aria-pressed", String(poll.isPaused));
  setText(event.target, poll.isPaused ? "Go on" : "Pause");
});
window.addEventListener("hashchange", route);
route();
poll.wake();
