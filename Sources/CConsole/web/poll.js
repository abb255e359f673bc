// Asks the admin for everything the pages need, one round at a time.
//
// A round begins only when the last one has ended, and two seconds after it began at the earliest; after a long one the
// console rests four times as long as it took. So a slow admin is asked less often, never more at once, and a configuration
// of thousands of clusters keeps main busy for a fifth of the time at the most. A hidden tab asks nothing.

import { watched, watchedHistograms } from "./names.js";
import { snapshot } from "./model.js";

const roundMs = 2000;
const restFactor = 4;
const answerLimitMs = 15000;

const statsURL = "stats?format=json&usedonly&filter=" + encodeURIComponent(watched);
const histogramsURL =
  "stats?format=json&usedonly&type=Histograms&histogram_buckets=detailed&filter=" + encodeURIComponent(watchedHistograms);

export class Poll {
  /// `onRound(snapshot)` after each round, `onFailure(error)` when the admin did not answer.
  constructor(onRound, onFailure) {
    this.onRound = onRound;
    this.onFailure = onFailure;
    this.isPaused = false;
    this.events = [];
    this.eventCount = null;
    this.timer = null;
    this.isAsking = false;
    this.rounds = 0;
    /// Names of listeners in statistics, as far as the configuration is known.
    this.listeners = new Set();
    document.addEventListener("visibilitychange", () => this.wake());
  }

  get rests() {
    return this.isPaused || document.hidden;
  }

  pause(isPaused) {
    this.isPaused = isPaused;
    this.wake();
  }

  wake() {
    clearTimeout(this.timer);
    if (!this.rests && !this.isAsking) this.round();
  }

  async round() {
    this.isAsking = true;
    const began = performance.now();
    try {
      const data = await json("console/data" + (this.eventCount === null ? "" : "?since=" + this.eventCount));
      if (data.events) this.events = data.events;
      this.eventCount = data.eventCount;
      data.events = this.events;
      const stats = await json(statsURL);
      const histograms = await json(histogramsURL);
      const clusters = await json("clusters?format=json");
      this.rounds += 1;
      this.onRound(snapshot({ at: data.now, data, stats, histograms, clusters }, this.listeners));
    } catch (error) {
      // Another process may answer next time: its events are others.
      this.eventCount = null;
      this.onFailure(error);
    }
    this.isAsking = false;
    const took = performance.now() - began;
    if (!this.rests) this.timer = setTimeout(() => this.wake(), Math.max(roundMs - took, restFactor * took));
  }
}

export async function json(path) {
  const answer = await ask(path);
  if (!answer.ok) throw new Error(`${path.split("?")[0]}: ${answer.status}`);
  return answer.json();
}

export function ask(path, options = {}) {
  return fetch(path, { cache: "no-store", signal: AbortSignal.timeout(answerLimitMs), ...options });
}

/// What the plan is made of: asked for when its version is another one.
export async function configuration() {
  const [dump, listeners] = [await json("config_dump"), await json("listeners?format=json")];
  return { dump, listeners: listeners.listener_statuses ?? [] };
}
