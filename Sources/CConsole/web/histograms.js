// Whole histograms (`histogram_buckets=detailed`) as bars: what each bar stands for is worked out here without a document, the
// drawing is below it.

import { h, svg } from "./dom.js";

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });

/// All histograms of an answer of `/stats`, each with the list of percentiles that its own list follows.
export function histogramsOf(answer) {
  return answer.stats.flatMap((one) => one.histograms?.details?.map((histogram) => ({ ...histogram, quantiles: one.histograms.supported_percentiles })) ?? []);
}

/// One bar per bucket that has values, evenly spaced: `share` of the highest, and which percentiles fall into it. A percentile
/// that lies between two buckets belongs to the lower one.
export function bars(histogram) {
  const { totals, intervals, quantiles, percentiles } = histogram;
  const recent = new Map(intervals.map((bucket) => [bucket.lower_bound, bucket.count]));
  const most = totals.reduce((sum, bucket) => Math.max(sum, bucket.count), 0);
  const list = totals.map(({ lower_bound: from, width, count }) => ({ from, end: from + width, count, recent: recent.get(from) ?? 0, share: most > 0 ? count / most : 0, marks: [] }));
  quantiles.forEach((quantile, index) => {
    const value = percentiles[index]?.cumulative;
    if (value === null || value === undefined) return;
    const bar = list.findLast(({ from }) => from <= value) ?? list[0];
    bar?.marks.push({ name: "p" + quantile, value });
  });
  return list;
}

/// A bar in words.
export function said(bar) {
  const range = bar.from === bar.end ? compact.format(bar.from) : `${compact.format(bar.from)} to ${compact.format(bar.end)}`;
  const marks = bar.marks.map(({ name, value }) => `${name} ${compact.format(value)}`).join(", ");
  return `${range}: ${bar.count}` + (bar.recent ? `, ${bar.recent} of late` : "") + (marks ? ` (${marks})` : "");
}

const height = 60;
const step = 24;

/// A figure with its name, its bars and the usual percentiles in words.
export function picture(histogram, changes) {
  const list = bars(histogram);
  const title = histogram.name + (changes === undefined ? "" : ` (${changes})`);
  if (list.length === 0) return h("figure", {}, h("figcaption", {}, title), h("p", { class: "quiet" }, "no values"));
  const width = list.length * step;
  const every = Math.ceil(list.length / 20);
  return h("figure", {},
    h("figcaption", {}, title),
    h("div", { class: "scroller", tabindex: "0", role: "group", "aria-label": `buckets of ${histogram.name}` },
      svg("svg", { viewBox: `0 0 ${width} ${height + 14}`, width, height: height + 14, role: "img", "aria-label": list.map(said).join("; ") },
        list.map((bar, at) => svg("g", {},
          svg("title", {}, said(bar)),
          svg("rect", { class: "hit", x: at * step, y: 0, width: step, height }),
          svg("rect", { class: bar.marks.length ? "bar marked" : "bar", x: at * step + 2, y: height - Math.max(2, bar.share * height), width: step - 4, height: Math.max(2, bar.share * height) }),
          at % every === 0 ? svg("text", { x: at * step + 2, y: height + 11 }, compact.format(bar.from)) : null)))),
    h("p", { class: "quiet" }, list.flatMap((bar) => bar.marks).map(({ name, value }) => `${name} ${compact.format(value)}`).join(" · ")));
}
