// Since when: notes when a finding was first there and after which configuration version, and forgets it when it has been
// gone for a while. Pure; what it knows survives a reload of the page as plain data.

import { duration, time } from "./format.js";

/// A finding that comes and goes within this time is one problem.
export const quietMs = 12000;
/// What began at most so long after a new configuration is said to have begun after it.
export const closeMs = 120000;
export const overMax = 20;
/// Rates need two readings: what is found so soon after the page was opened was there already.
export const settleMs = 15000;

export class Problems {
  constructor(saved = null) {
    this.open = new Map(saved?.open ?? []);
    /// What is over, newest first.
    this.over = saved?.over ?? [];
    this.openedAt = saved?.openedAt ?? null;
  }

  saved() {
    return { open: [...this.open], over: this.over, openedAt: this.openedAt };
  }

  /// `found`: of now.
  update(found, snapshot) {
    this.openedAt ??= snapshot.at;
    const isSettling = snapshot.at - this.openedAt < settleMs;
    for (const one of found) {
      const key = `${one.rule}:${one.kind}:${one.subject}`;
      const known = this.open.get(key);
      const origin = known ?? {
        since: one.since ?? (isSettling ? this.openedAt : snapshot.at), isOlder: isSettling && one.since === undefined,
        version: one.version ?? snapshot.data.plan, change: change(snapshot.data.events ?? [], one.since ?? snapshot.at),
      };
      this.open.set(key, { ...origin, ...pick(one), ...(one.since ? { since: one.since } : {}), seen: snapshot.at });
    }
    for (const [key, one] of this.open) {
      if (snapshot.at - one.seen < quietMs) continue;
      this.open.delete(key);
      this.over.unshift({ ...one, until: one.seen });
    }
    this.over.length = Math.min(this.over.length, overMax);
  }

  /// Problems by what they are of, the worst first; each with its sentence.
  sentences(now) {
    const groups = new Map();
    for (const one of this.open.values()) {
      const key = `${one.kind}:${one.subject}`;
      groups.set(key, [...(groups.get(key) ?? []), one]);
    }
    return [...groups.values()].map((group) => this.joined(group, now)).sort((a, b) => rank(a) - rank(b) || a.since - b.since);
  }

  joined(group, now) {
    const first = group.reduce((a, b) => (b.since < a.since ? b : a));
    return {
      kind: first.kind, subject: first.subject, since: first.since,
      severity: group.some((one) => one.severity === "bad") ? "bad" : "warn",
      title: title(first), what: group.map((one) => one.phrase).join(", "), began: began(first, now),
      advice: [...new Set(group.map((one) => one.advice).filter(Boolean))],
    };
  }
}

function pick({ rule, kind, subject, severity, phrase, advice }) {
  return { rule, kind, subject, severity, phrase, advice };
}

function rank(problem) {
  return problem.severity === "bad" ? 0 : 1;
}

export function title({ kind, subject }) {
  return { cluster: `cluster ${subject}`, listener: `listener ${subject}`, manager: `HTTP (${subject})` }[kind] ?? subject;
}

/// The change of the configuration or of hosts that came last before `at`.
function change(events, at) {
  const before = events.filter((event) => event.at <= at && ["applied", "hosts", "runtime", "certificates"].includes(event.kind));
  const last = before[before.length - 1];
  return last ? { at: last.at, version: last.version, kind: last.kind, subject: last.subject } : null;
}

/// "began 12:03:10, 5 s after configuration version 41".
export function began(problem, now) {
  const { since, change, version, isOlder } = problem;
  const clock = time(since, now);
  if (isOlder) return `was there when this page was opened at ${clock} (configuration version ${version})`;
  if (change && since - change.at <= closeMs && since >= change.at) {
    const after = duration((since - change.at) / 1000);
    if (change.kind === "hosts") return `began ${clock}, ${after} after the hosts of ${change.subject} changed (version ${change.version})`;
    if (change.kind === "runtime") return `began ${clock}, ${after} after the runtime was modified`;
    if (change.kind === "certificates") return `began ${clock}, ${after} after new certificates of ${change.subject}`;
    return `began ${clock}, ${after} after configuration version ${change.version}`;
  }
  return `began ${clock} under configuration version ${version}`;
}
