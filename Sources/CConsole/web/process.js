// What is wrong with the process itself: its configuration, its threads, and what it could not hand on. Rules as in `rules.js`. Pure.

import { finding } from "./finding.js";
import { count } from "./format.js";

export const certificateDays = { warn: 21, bad: 7 };

const noCertificate = 4294967295;
const refusal = /^(sds\..+|runtime)\.update_rejected$/;

export const processRules = {
  reloadRefused: ({ now }) => {
    const reads = (now.data.events ?? []).filter((event) => event.kind === "applied" || event.kind === "refused");
    const last = reads[reads.length - 1];
    if (last?.kind !== "refused") return [];
    const more = last.lineCount > 1 ? ` (and ${count(last.lineCount - 1, "error")} more)` : "";
    return [{ ...finding("process", "configuration", "bad", `the last reload was refused, version ${last.version} serves on`, `${last.lines[0] ?? ""}${more}`), since: last.at, version: last.version }];
  },

  workersBehind: ({ before, now }) => {
    const plan = now.data.plan;
    const late = (now.data.workers ?? []).map((version, i) => [i, version]).filter(([i, version]) =>
      version < plan && before.data.plan === plan && before.data.workers?.[i] < plan);
    if (late.length === 0) return [];
    const words = late.map(([i, version]) => `worker ${i} still runs version ${version}`).join(", ");
    return [finding("process", "workers", "bad", words, "A worker takes a new plan at the top of each turn: this one is stuck in its turn.")];
  },

  certificates: ({ now }) => {
    const days = now.values.get("server.days_until_first_cert_expiring");
    if (days === undefined || days >= noCertificate || days > certificateDays.warn) return [];
    const words = days === 0 ? "one expires within a day, or has expired" : `the first expires in ${count(days, "day")}`;
    return [finding("process", "certificates", days <= certificateDays.bad ? "bad" : "warn", words, "/certs lists them with their dates.")];
  },

  certificatesRefused: ({ now }) => {
    const last = new Map();
    for (const event of now.data.events ?? []) {
      if (event.kind === "certificates" || event.kind === "certificatesRefused") last.set(event.subject, event);
    }
    return [...last.values()].filter((event) => event.kind === "certificatesRefused").map((event) => ({
      ...finding("process", event.subject, "bad", "its files were read again and refused; the old certificates serve on", event.lines[0] ?? ""),
      since: event.at, version: event.version,
    }));
  },

  draining: ({ now }) => {
    if (now.data.state !== "DRAINING") return [];
    const events = (now.data.events ?? []).filter((event) => event.kind === "draining" || event.kind === "healthChecksFail");
    const last = events[events.length - 1];
    const why = last?.kind === "draining" ? `${last.subject}: connections are drained, then the process ends` : "/healthcheck/fail was called: /ready answers 503";
    return [{ ...finding("process", "health", "warn", why, last?.kind === "draining" ? "" : "/healthcheck/ok (page “Commands”) ends it."), since: last?.at, version: last?.version }];
  },

  notLive: ({ now }) =>
    ["PRE_INITIALIZING", "INITIALIZING"].includes(now.data.state)
      ? [finding("process", "start", "warn", "not serving yet: names of clusters are looked up first", "Clusters of kind STRICT_DNS and LOGICAL_DNS wait for their first answer.")] : [],

  threadsStuck: ({ before, now }) => grown(before, now, /^server\.(.+)\.watchdog_(?:mega_)?miss$/).map(([thread]) =>
    finding("process", thread, "bad", "the thread did not answer its watchdog", "It was stuck in one turn: the log has its stack, the CPU profile says where time goes.")),

  tracesDropped: ({ before, now }) =>
    lost(before, now, ["span", "segment", "trace", "report"], (what) => `^tracing\\.(.+)\\.${what}s_(?:dropped|failed|skipped_no_cluster)$`).map(([tracer, words]) =>
      finding("process", `tracing (${tracer})`, "warn", `${words} dropped`, "The collector does not answer, or is too slow. Requests are not held up by it.")),

  logsDropped: ({ before, now }) => [
    ...lost(before, now, ["line"], () => "^(filesystem)\\.write_dropped$").map(([, words]) =>
      finding("process", "access logs", "warn", `${words} dropped`, "The disk is full or slower than the traffic. Requests are not held up by it.")),
    ...lost(before, now, ["line"], () => "^access_logs\\.(.+)\\.(?:logs_dropped|entries_lost)$").map(([log, words]) =>
      finding("process", `access logs (${log})`, "warn", `${words} dropped`, "The log server does not answer, refuses them, or is too slow: look at its cluster, or raise the logger's buffer_size_bytes. Requests are not held up by it.")),
  ],

  statisticsDropped: ({ before, now }) =>
    lost(before, now, ["line", "metric"], (what) => `^martlet\\.(stats_sinks)\\.${what}s_dropped$`).map(([, words]) =>
      finding("process", "statistics sinks", "warn", `${words} dropped`, "A server of stats_sinks is not there, or takes less than each flush brings. /stats tells everything still.")),

  updatesRefused: ({ before, now }) => {
    const sources = refusals(before, now);
    const secrets = sources.filter(({ name }) => name !== "runtime").map((one) => ({ ...one, name: one.name.slice(4) }));
    return [
      ...refused("secrets (SDS)", secrets, `Secrets: ${names(secrets)}. The log says why. Mend them where they come from; TLS that waits for its first secret takes no connection.`),
      ...refused("runtime (RTDS)", sources.filter(({ name }) => name === "runtime"), "The log says why. Mend the layer where it comes from; /runtime shows the values that hold."),
    ];
  },
};

/// `{name, wasTaken}` of the subscriptions that refused something just now, or have never taken anything.
function refusals(before, now) {
  const recent = new Set(grown(before, now, refusal).map(([name]) => name));
  return [...(now.subjects.process.get("") ?? [])].filter(([, value]) => value > 0).flatMap(([leaf]) => {
    const name = refusal.exec(leaf)?.[1];
    // A gauge: /reset_counters leaves it alone.
    const wasTaken = (now.values.get(`${name}.update_time`) ?? 0) > 0;
    return name !== undefined && (recent.has(name) || !wasTaken) ? [{ name, wasTaken }] : [];
  });
}

function refused(subject, sources, advice) {
  if (sources.length === 0) return [];
  const never = sources.filter((one) => !one.wasTaken);
  const words =
    never.length === 0 ? "an update was refused; what was taken before stays in use"
    : never.length === sources.length ? "updates are refused, and none was ever taken"
    : `updates are refused; of ${names(never)} none was ever taken`;
  return [finding("process", subject, "bad", words, advice)];
}

/// The first of them, and how many more.
function names(sources) {
  const shown = sources.slice(0, 3).map((one) => one.name).join(", ");
  return sources.length > 3 ? `${shown} and ${sources.length - 3} more` : shown;
}

/// What the first group of the pattern names, and by how much its statistics have grown together; those that have.
function grown(before, now, pattern) {
  const sums = new Map();
  for (const [name, value] of now.subjects.process.get("") ?? []) {
    const subject = pattern.exec(name)?.[1];
    if (subject) sums.set(subject, (sums.get(subject) ?? 0) + Math.max(0, value - (before.values.get(name) ?? 0)));
  }
  return [...sums].filter(([, amount]) => amount > 0);
}

/// By subject, "2 spans, 1 report". `pattern(kind)`: of the statistics that count what was lost of it.
function lost(before, now, kinds, pattern) {
  const words = new Map();
  for (const kind of kinds) {
    for (const [subject, amount] of grown(before, now, new RegExp(pattern(kind)))) words.set(subject, [...(words.get(subject) ?? []), count(amount, kind)]);
  }
  return [...words].map(([subject, list]) => [subject, list.join(", ")]);
}
