// The pages of `/stats`: what changes most, and the bars of whole histograms.

import test from "node:test";
import assert from "node:assert/strict";
import { load } from "./support.mjs";

const { Changes, settings } = await load("changing.js");
const { bars, histogramsOf, said } = await load("histograms.js");

const answer = (values) => ({ stats: Object.entries(values).map(([name, value]) => ({ name, value })).concat({ histograms: {} }) });
const names = ({ statistics }) => statistics.map(({ name, changes }) => name + changes).join(" ");

test("what changes comes first, then what is larger, then by name", () => {
  const changes = new Changes();
  assert.equal(names(changes.received(answer({ c: 1, a: 1, b: 9, text: "x" }))), "b0 a0 c0 text0");
  assert.equal(names(changes.received(answer({ c: 2, a: 1, b: 9, text: "x" }))), "c1 b0 a0 text0");
  assert.equal(names(changes.received(answer({ c: 2, a: 7, b: 9, text: "y" }))), "a1 c1 text1 b0");
  // One that went and comes again is still known.
  assert.equal(names(changes.received(answer({ c: 3 }))), "c2");
  assert.equal(names(changes.received(answer({ c: 3, a: 7 }))), "c2 a1");
});

test("the form's settings", () => {
  const values = { filter: { value: "a b&c" }, type: { value: "All" }, usedonly: { checked: true }, invert_filter: { checked: false }, "max-display-count": { value: "x" }, "update-interval": { value: "-1" } };
  const control = (name) => values[name];
  assert.deepEqual(settings(control), { target: "stats?format=json&histogram_buckets=detailed&filter=a%20b%26c&type=All&usedonly", count: 50, seconds: 5 });
  values.usedonly.checked = false;
  values.invert_filter.checked = true;
  values["max-display-count"].value = "7";
  values["update-interval"].value = "2";
  assert.deepEqual(settings(control), { target: "stats?format=json&histogram_buckets=detailed&filter=a%20b%26c&type=All&invert_filter", count: 7, seconds: 2 });
});

test("bars have their percentiles", () => {
  const [histogram] = histogramsOf({ stats: [{ name: "x", value: 1 }, { histograms: { supported_percentiles: [0, 50, 100], details: [{
    name: "h", totals: [{ lower_bound: 1, width: 0.1, count: 4 }, { lower_bound: 20, width: 1, count: 8 }], intervals: [{ lower_bound: 20, width: 1, count: 3 }],
    percentiles: [{ cumulative: 1, interval: null }, { cumulative: 20.5, interval: null }, { cumulative: 21, interval: null }] }] } }] });
  const list = bars(histogram);
  assert.deepEqual(list.map(({ share, recent }) => [share, recent]), [[0.5, 0], [1, 3]]);
  assert.deepEqual(list.map(said), ["1 to 1.1: 4 (p0 1)", "20 to 21: 8, 3 of late (p50 20.5, p100 21)"]);
  assert.equal(said({ from: 0, end: 0, count: 2, recent: 0, marks: [] }), "0: 2");
  // Zero has a bucket of its own, without a width.
  const zero = { totals: [{ lower_bound: 0, width: 0, count: 1 }, { lower_bound: 3, width: 0.1, count: 1 }], intervals: [], quantiles: [0, 50, 100], percentiles: [{ cumulative: 0 }, { cumulative: 1.5 }, { cumulative: 3.1 }] };
  assert.deepEqual(bars(zero).map(({ marks }) => marks.map(({ name }) => name)), [["p0", "p50"], ["p100"]]);
  assert.deepEqual(bars({ totals: [], intervals: [], percentiles: [], quantiles: [0] }), []);
});
