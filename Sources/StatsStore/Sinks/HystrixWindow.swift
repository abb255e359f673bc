// What Hystrix's dashboard is told of one cluster: counts of the last flushes, and the last interval's latencies.

import Stats

package struct HystrixWindow {
    /// What is counted, and in which of Envoy's statistics.
    package enum Count: Int, CaseIterable { case errors, success, rejected, timeouts }

    private let buckets: Int
    /// Flushes that count, one behind the other, the oldest at `at`; empty as long as there is nothing to count.
    private var flushes: [UInt64] = []
    private var at = 0
    /// Of all these flushes.
    private var sums = [UInt64](repeating: 0, count: Count.allCases.count)
    private var current = [UInt64](repeating: 0, count: Count.allCases.count)
    /// What there was before the first flush is no news.
    private var isNew = true
    package var active: UInt64 = 0
    package var hosts: UInt64 = 0
    package var latency = HistogramStatistics()
    /// As the last flush found them: the next one may be under way.
    private var shown: (active: UInt64, hosts: UInt64, latency: HistogramStatistics) = (0, 0, HistogramStatistics())

    package init(buckets: Int) { self.buckets = max(buckets, 1) }

    package mutating func add(_ count: Count, _ delta: UInt64) { current[count.rawValue] &+= delta }

    /// A flush is over.
    package mutating func roll() {
        if isNew {
            for i in current.indices { current[i] = 0 }
            isNew = false
        }
        let width = Count.allCases.count
        if flushes.isEmpty, current.contains(where: { $0 > 0 }) { flushes = [UInt64](repeating: 0, count: buckets * width) }
        if !flushes.isEmpty {
            for i in 0..<width {
                let place = at * width + i
                sums[i] = sums[i] &+ current[i] &- flushes[place]
                flushes[place] = current[i]
                current[i] = 0
            }
            at = (at + 1) % buckets
        }
        shown = (active, hosts, latency)
    }

    private func sum(_ count: Count) -> UInt64 { sums[count.rawValue] }

    // MARK: Text

    /// Two server-sent events: the command's and the pool's. `name`: a string of JSON, in its quotes.
    package func write(_ name: String, pendingMax: UInt32, nowS: UInt64, flushMs: UInt64, to text: inout String) {
        let (errors, success, rejected, timeouts) = (sum(.errors), sum(.success), sum(.rejected), sum(.timeouts))
        // Of a timeout the answer is an error too, and it counts as both (Envoy).
        let total = errors &+ success &+ rejected &+ timeouts
        let failed = errors &+ rejected &+ timeouts
        text += "data: {\"type\": \"HystrixCommand\", \"name\": \(name), \"group\": \"NA\", \"currentTime\": \(nowS), "
        text += "\"isCircuitBreakerOpen\": false, \"errorPercentage\": \(total == 0 ? 0 : failed &* 100 / total), "
        text += "\"errorCount\": \(errors), \"requestCount\": \(total), \"rollingCountCollapsedRequests\": 0, "
        text += "\"rollingCountExceptionsThrown\": 0, \"rollingCountFailure\": \(errors), \"rollingCountFallbackFailure\": 0, "
        text += "\"rollingCountFallbackRejection\": 0, \"rollingCountFallbackSuccess\": 0, \"rollingCountResponsesFromCache\": 0, "
        text += "\"rollingCountSemaphoreRejected\": \(rejected), \"rollingCountShortCircuited\": 0, \"rollingCountSuccess\": \(success), "
        text += "\"rollingCountThreadPoolRejected\": 0, \"rollingCountTimeout\": \(timeouts), \"rollingCountBadRequests\": 0, "
        text += "\"currentConcurrentExecutionCount\": \(shown.active), \"latencyExecute_mean\": \"null\", \"latencyExecute\": {\(quantiles)}, "
        text += "\"propertyValue_circuitBreakerRequestVolumeThreshold\": 0, \"propertyValue_circuitBreakerSleepWindowInMilliseconds\": 0, "
        text += "\"propertyValue_circuitBreakerErrorThresholdPercentage\": 0, \"propertyValue_circuitBreakerForceOpen\": false, "
        text += "\"propertyValue_circuitBreakerForceClosed\": true, \"propertyValue_executionIsolationStrategy\": \"SEMAPHORE\", "
        text += "\"propertyValue_executionIsolationThreadTimeoutInMilliseconds\": 0, "
        text += "\"propertyValue_executionIsolationThreadInterruptOnTimeout\": false, "
        text += "\"propertyValue_executionIsolationSemaphoreMaxConcurrentRequests\": \(pendingMax), "
        text += "\"propertyValue_fallbackIsolationSemaphoreMaxConcurrentRequests\": 0, \"propertyValue_requestCacheEnabled\": false, "
        text += "\"propertyValue_requestLogEnabled\": true, \"reportingHosts\": \(shown.hosts), "
        text += "\"propertyValue_metricsRollingStatisticalWindowInMilliseconds\": \(flushMs)}\n\n"
        text += "data: {\"currentPoolSize\": 0, \"rollingMaxActiveThreads\": 0, \"currentActiveCount\": 0, \"currentCompletedTaskCount\": 0, "
        text += "\"propertyValue_queueSizeRejectionThreshold\": \(pendingMax), \"type\": \"HystrixThreadPool\", \"reportingHosts\": \(shown.hosts), "
        text += "\"propertyValue_metricsRollingStatisticalWindowInMilliseconds\": \(flushMs), \"name\": \(name), "
        text += "\"currentLargestPoolSize\": 0, \"currentCorePoolSize\": 0, \"currentQueueSize\": 0, \"currentTaskCount\": 0, "
        text += "\"rollingCountThreadsExecuted\": 0, \"currentMaximumPoolSize\": 0}\n\n"
    }

    /// Those that the dashboard knows.
    private var quantiles: String {
        guard shown.latency.sampleCount > 0 else { return "" }
        return zip(HistogramStatistics.quantiles, shown.latency.computedQuantiles()).filter { $0.0 != 0.999 }
            .map { "\"\(HystrixWindow.name($0.0))\": \($0.1)" }.joined(separator: ", ")
    }

    private static func name(_ quantile: Double) -> String { quantile == 0.995 ? "99.5" : "\(Int((quantile * 100).rounded()))" }
}
