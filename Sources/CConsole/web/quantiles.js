// Quantiles of what happened between two readings of a histogram. Pure.
//
// `/stats?histogram_buckets=detailed` tells every bin (lower bound, width, count since the start); the difference of two
// such readings is the distribution of the time between them.

/// Bins of `later` that `earlier` has not counted; all of `later` when it was counted anew.
export function difference(earlier, later) {
  if (!earlier) return later;
  const before = new Map(earlier.map((bin) => [bin.lower_bound, bin.count]));
  const result = [];
  for (const bin of later) {
    const count = bin.count - (before.get(bin.lower_bound) ?? 0);
    if (count < 0) return later;
    if (count > 0) result.push({ ...bin, count });
  }
  return result;
}

export function total(bins) {
  return bins.reduce((sum, bin) => sum + bin.count, 0);
}

/// The value below which the share `q` lies, within its bin by its place there; null when nothing was counted.
export function quantile(bins, q) {
  const sorted = [...bins].sort((a, b) => a.lower_bound - b.lower_bound);
  const wanted = total(sorted) * q;
  if (wanted === 0) return null;
  let seen = 0;
  for (const bin of sorted) {
    if (seen + bin.count >= wanted) return bin.lower_bound + (bin.width * (wanted - seen)) / bin.count;
    seen += bin.count;
  }
  const last = sorted[sorted.length - 1];
  return last.lower_bound + last.width;
}

/// Of several histograms one.
export function merged(lists) {
  const bins = new Map();
  for (const list of lists) {
    for (const bin of list) {
      const known = bins.get(bin.lower_bound);
      if (known) known.count += bin.count;
      else bins.set(bin.lower_bound, { ...bin });
    }
  }
  return [...bins.values()];
}
