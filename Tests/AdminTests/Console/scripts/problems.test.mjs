// Since when, after which version, and when it is over.

import test from "node:test";
import assert from "node:assert/strict";
import { load, plain, shot } from "./support.mjs";

const { Problems, quietMs, settleMs } = await load("problems.js");
const { time } = await load("format.js");

const clock = (seconds) => time(1_800_000_000_000 + seconds * 1000, 1_800_000_000_000 + seconds * 1000);
const ejected = { rule: "hostsNotHealthy", kind: "cluster", subject: "payments", severity: "warn", phrase: "2 of 5 hosts ejected", advice: "a" };
const errors = { rule: "serverErrors", kind: "cluster", subject: "payments", severity: "bad", phrase: "503 rate 4 %", advice: "b" };
const applied = (seconds, version) => ({ kind: "applied", version, at: 1_800_000_000_000 + seconds * 1000, subject: "f", lines: [], lineCount: 0 });
const text = (problem) => plain(`${problem.title}: ${problem.what}, ${problem.began}`);

test("findings of one subject become one sentence, since the first of them", () => {
  const problems = new Problems();
  const data = { events: [applied(-30, 41)] };
  problems.update([], shot(-settleMs / 1000, { data }));
  problems.update([ejected], shot(2, { data }));
  problems.update([ejected, errors], shot(4, { data }));
  const [one, ...others] = problems.sentences(shot(4).at);
  assert.equal(text(one), `cluster payments: 2 of 5 hosts ejected, 503 rate 4 %, began ${clock(2)}, 32 s after configuration version 41`);
  assert.equal(one.severity, "bad");
  assert.deepEqual(one.advice, ["a", "b"]);
  assert.deepEqual(others, []);
});

test("long after a change it began under that version; what the first looks find was there already", () => {
  const problems = new Problems();
  const data = { events: [applied(-1000, 41)] };
  problems.update([], shot(0, { data }));
  problems.update([ejected], shot(2, { data }));
  problems.update([ejected, { ...errors, subject: "catalog" }], shot(40, { data }));
  const [catalog, payments] = problems.sentences(shot(40).at);
  assert.equal(text(catalog), `cluster catalog: 503 rate 4 %, began ${clock(40)} under configuration version 41`);
  assert.equal(text(payments), `cluster payments: 2 of 5 hosts ejected, was there when this page was opened at ${clock(0)} (configuration version 41)`);
});

test("hosts that changed are named", () => {
  const problems = new Problems();
  problems.update([], shot(-settleMs / 1000));
  problems.update([errors], shot(9, { data: { plan: 42, events: [{ ...applied(4, 42), kind: "hosts", subject: "payments" }] } }));
  assert.match(text(problems.sentences(shot(9).at)[0]), /5 s after the hosts of payments changed \(version 42\)$/);
});

test("what the process knows is not guessed", () => {
  const problems = new Problems();
  const refused = { rule: "reloadRefused", kind: "process", subject: "configuration", severity: "bad", phrase: "refused", advice: "", since: shot(-500).at, version: 40 };
  problems.update([refused], shot(0));
  assert.match(text(problems.sentences(shot(0).at)[0]), new RegExp(`^configuration: refused, began ${clock(-500)} under configuration version 40$`));
});

test("a problem that comes and goes is one; one that stays away is over", () => {
  const problems = new Problems();
  problems.update([], shot(-settleMs / 1000));
  problems.update([errors], shot(2));
  problems.update([], shot(4));
  problems.update([errors], shot(6));
  assert.equal(problems.sentences(shot(6).at)[0].since, shot(2).at);
  problems.update([], shot(6 + quietMs / 1000 - 1));
  assert.equal(problems.open.size, 1);
  problems.update([], shot(6 + quietMs / 1000));
  assert.equal(problems.open.size, 0);
  assert.deepEqual(problems.over.map((one) => [one.since, one.until]), [[shot(2).at, shot(6).at]]);
});

test("a reload of the page forgets nothing", () => {
  const problems = new Problems();
  problems.update([], shot(-settleMs / 1000));
  problems.update([errors], shot(2));
  const again = new Problems(JSON.parse(JSON.stringify(problems.saved())));
  again.update([errors], shot(20));
  assert.equal(again.sentences(shot(20).at)[0].since, shot(2).at);
});
