// What the bootstrap says of statistics, compiled. Taken when the process starts: a reload does not change it.

import Stats

package struct StatisticsConfig {
    var defaults = DefaultTags.Choice.all
    var tags: [TagExtraction.Custom] = []
    var buckets = HistogramBuckets()
    /// Of full names: true for those that are kept. Nil: all.
    var accepts: ((Span<UInt8>) -> Bool)?
    /// `stats_flush_interval`
    package var flushIntervalMs: UInt64 = 5000
    /// `stats_flush_on_admin`: no timer, `/stats` flushes.
    package var flushesOnAdmin = false

    func apply(to stats: StatRegistry) {
        stats.tags.defaults = defaults
        stats.tags.custom = tags
        stats.buckets = buckets
        stats.accept(accepts)
    }
}
