// What the command line says of the process, and why it may not begin to serve.

import EnvoyAPI
import Ring
import Pipeline
import Transport

package struct ServerOptions {
    package var concurrency: Int
    package var configPath: String?
    package var configYAML: String?
    package var shutdownGraceS: UInt64 = 30
    package var pinsWorkers = false
    package var watches = false
    /// What a field is that Martlet does not know, in the bootstrap.
    package var unknownFields = ConfigError.Severity.error
    /// What this build calls itself.
    package var version = ""
    /// `--drain-time-s` and `--drain-strategy`.
    package var drain = DrainOptions()
    /// First digits of the commit, as `server.version` shows them.
    package var versionHash: UInt64 = 0
    /// `--enable-mutex-tracing`, `--sample-heap-bytes`.
    package var countsLockWaits = false
    package var heapSampleBytes: UInt64?
    package var logFlushIntervalMs: UInt64 = 10_000
    package init(concurrency: Int) { self.concurrency = concurrency }
}

package enum ServerError: Error {
    case config(ConfigErrors)
    case listen(ListenError)
    case ring(RingError)
}
