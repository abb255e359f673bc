// Names of statistics taken apart: what they are of, and what they count. Pure.
//
// Names of the configuration have dots, and words of statistics between them (`reviews.default.svc.cluster.local`,
// `api.internal.test`): where one ends is told by those that are known to be there. The patterns are for the rest, and for the
// leaves that a poll asks for alone.

const clusterLeaf =
  /^cluster\.(.+?)\.(circuit_breakers\.(?:default|high)\.[^.]+|(?:outlier_detection|health_check|ssl|http1|http2|external|internal|canary|retry|ring_hash_lb|maglev_lb|default)\.[^.]+|(?:upstream|membership|lb|update|assignment|bind|original_dst|retry|version|warming|max_host|grpc)[^.]*)$/;
const listenerHTTP = /^listener\.(.+)\.http\..+\.(downstream_rq_[a-z0-9]+)$/;
const listenerLeaf = /^listener\.(.+?)\.((?:worker_\d+|main_thread)\.[a-z0-9_]+|ssl\.(?:handshake|connection_error|fail_[a-z_]+)|[a-z0-9_]+)$/;
const managerLeaf = /^http\..+\.(downstream_rq_[a-z0-9]+)$/;
const prefixed = /^(http|tcp)\.(.+)\.([a-z0-9_]+)$/;

/// `{kind, subject, leaf}`; what belongs to nothing in particular has the kind `process`. `known`: sets of the clusters and
/// listeners that are there, by their names in statistics; of two that fit, the longer one is meant.
export function split(name, known = {}) {
  const found = ofKnown(name, "cluster", known.cluster) ?? ofKnown(name, "listener", known.listener) ?? byPattern(name);
  // A listener's connection managers add up.
  const leaf = found.kind === "listener" && managerLeaf.exec(found.leaf);
  return leaf ? { ...found, leaf: "http." + leaf[1] } : found;
}

function ofKnown(name, kind, subjects) {
  if (!subjects || !name.startsWith(kind + ".")) return null;
  const rest = name.slice(kind.length + 1);
  for (let dot = rest.lastIndexOf("."); dot > 0; dot = rest.lastIndexOf(".", dot - 1)) {
    const subject = rest.slice(0, dot);
    if (subjects.has(subject)) return { kind, subject, leaf: rest.slice(dot + 1) };
  }
  return null;
}

function byPattern(name) {
  let found = clusterLeaf.exec(name);
  if (found) return { kind: "cluster", subject: found[1], leaf: found[2] };
  found = listenerHTTP.exec(name);
  if (found) return { kind: "listener", subject: found[1], leaf: "http." + found[2] };
  found = listenerLeaf.exec(name);
  if (found) return { kind: "listener", subject: found[1], leaf: found[2] };
  found = prefixed.exec(name);
  if (found) return { kind: found[1], subject: found[2], leaf: found[3] };
  return { kind: "process", subject: "", leaf: name };
}

/// A name of the configuration as it stands in statistics (`StatPrefix.sanitize`).
export function sanitized(name) {
  return name.replace(/\.$/, "").replace(/:\/{0,2}/g, "_").replaceAll("\0", "_");
}

/// What a poll asks `/stats` for: the counters and gauges that pages and rules read, and no others.
export const watched = [
  "^cluster\\..*\\.(upstream_rq_(total|active|pending_active|pending_overflow|timeout|retry|retry_overflow|per_try_timeout|[1-5]xx|5\\d\\d|429)" +
    "|upstream_cx_(active|total|connect_fail|connect_timeout|overflow|none_healthy|rx_bytes_total|tx_bytes_total)" +
    "|membership_(total|healthy|degraded|change)|circuit_breakers\\..*_open|lb_healthy_panic|update_(attempt|failure)" +
    "|outlier_detection\\.ejections_active|health_check\\.(attempt|failure)|ssl\\.(connection_error|fail_.*))$",
  "^http\\..*\\.(downstream_rq_(total|active|[1-5]xx|timeout|rx_reset|time)|downstream_cx_(active|total|rx_bytes_total|tx_bytes_total|protocol_error)|no_route|no_cluster)$",
  "^listener\\..*\\.(downstream_cx_(active|total|overflow|overload_reject)|downstream_global_cx_overflow|no_filter_chain_match|accept_paused" +
    "|ssl\\.(handshake|connection_error|fail_.*)|http\\..*\\.downstream_rq_[1-5]xx)$",
  "^tcp\\..*\\.downstream_cx_(total|rx_bytes_total|tx_bytes_total|no_route)$",
  "^(server|listener_manager|cluster_manager|filesystem|martlet|tracing)\\.",
  "^access_logs\\..*\\.(logs_dropped|entries_lost)$",
  "^(sds\\..*|runtime)\\.update_(rejected|time)$",
].join("|");

export const watchedHistograms = "(downstream_rq_time|\\.upstream_rq_time)$";
