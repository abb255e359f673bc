// What the bootstrap says of statistics, compiled. Taken when the process starts: a reload does not change it.

import Primitives
import Stats
import StatsStore

/// One of `stats_sinks`.
enum SinkSpec {
    /// `bytesMax` 0: a datagram per line.
    case datagrams(StatsdFormat, SocketAddress, bytesMax: Int, prefix: String)
    case stream(StatsdFormat, cluster: String, prefix: String)
    case metrics(MetricsSinkSpec)
    case hystrix(buckets: Int)
}

package struct StatisticsConfig {
    var defaults = DefaultTags.Choice.all
    var tags: [TagExtraction.Custom] = []
    var buckets = HistogramBuckets()
    /// Of full names: true for those that are kept. Nil: all.
    var matcher: StatNameMatcher?
    /// `stats_flush_interval`
    package var flushIntervalMs: UInt64 = 5000
    /// `stats_flush_on_admin`: no timer, `/stats` flushes.
    package var flushesOnAdmin = false
    /// `stats_sinks`
    var sinks: [SinkSpec] = []

    func apply(to stats: StatRegistry) {
        stats.tags.defaults = defaults
        stats.tags.custom = tags
        stats.buckets = buckets
        stats.keep(matcher)
    }
}
