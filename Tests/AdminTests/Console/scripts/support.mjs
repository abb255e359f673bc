// What the tests of the console's scripts share: the modules as they lie in Sources, and snapshots made of few words.

export const web = new URL("../../../../Sources/CConsole/web/", import.meta.url);
export const load = (name) => import(new URL(name, web));

const { snapshot } = await load("model.js");

/// `stats`: names and values; `clusters`: names and hosts (`address`, flags of `health_status`); `observed`: what statistics call
/// clusters that have an `alt_stat_name`; `listeners`: what they call those that are known.
export function shot(seconds, { stats = {}, histograms = {}, clusters = {}, observed = {}, listeners, data = {} } = {}) {
  const statuses = Object.entries(clusters).map(([name, hosts]) => ({
    name, observability_name: observed[name], host_statuses: hosts.map(({ port, stats = {}, ...health }) => ({
      address: { socket_address: { address: "127.0.0.1", port_value: port } }, health_status: { eds_health_status: "HEALTHY", ...health },
      stats: Object.entries(stats).map(([name, value]) => ({ name, value: String(value) })),
    })),
  }));
  return snapshot({
    at: 1_800_000_000_000 + seconds * 1000,
    data: { plan: 41, workers: [41, 41], state: "LIVE", events: [], ...data },
    stats: { stats: Object.entries(stats).map(([name, value]) => ({ name, value })) },
    histograms: { stats: [{ histograms: { details: Object.entries(histograms).map(([name, totals]) => ({ name, totals })) } }] },
    clusters: { cluster_statuses: statuses },
  }, listeners && new Set(listeners));
}

/// Texts with ordinary spaces.
export const plain = (text) => text.replaceAll("\u00a0", " ");
