// What happened to the process and its configuration, newest last: the console says it to whoever asks what changed.
//
// Main thread only. Bounded: changes of hosts come often and must not push out a reload, so each sort has a ring of its own.

import EnvoyAPI
import Primitives

package struct ServerEvent {
    package enum Kind: String {
        case applied, refused, certificates, certificatesRefused, hosts, draining, listenersDrained, healthChecksFail
        case healthChecksPass, runtime
    }

    package let kind: Kind
    /// The plan that it made, or that goes on.
    package let version: UInt64
    /// Nanoseconds since 1970.
    package let atNs: UInt64
    /// The file, the cluster, the command.
    package let subject: String
    package var listeners = ConfigChanges.Count()
    package var clusters = ConfigChanges.Count()
    /// Why it was refused, and how a changed thing differs: a line each.
    package var lines: [String] = []
    /// How many lines there were, with those that were left out.
    package var lineCount = 0
}

package struct ServerEvents {
    /// `docs/limits.md` §console.
    package static let eventsMax = 64
    package static let linesMax = 40

    private var rings: [[ServerEvent]] = [[], []]
    /// Events since the start: a reader that has seen as many need not look again.
    package private(set) var count: UInt64 = 0

    mutating func add(
        _ kind: ServerEvent.Kind, _ subject: String, version: UInt64, changes: ConfigChanges = ConfigChanges(), lines: [String] = []
    ) {
        var event = ServerEvent(kind: kind, version: version, atNs: Clock.wallNs(), subject: subject)
        event.listeners = changes.listeners
        event.clusters = changes.clusters
        event.lines = Array(lines.prefix(ServerEvents.linesMax))
        event.lineCount = lines.count
        let ring = kind == .hosts ? 1 : 0
        rings[ring].append(event)
        if rings[ring].count > ServerEvents.eventsMax { rings[ring].removeFirst() }
        count += 1
    }

    /// In the order in which they happened.
    package var all: [ServerEvent] { (rings[0] + rings[1]).sorted { $0.atNs < $1.atNs } }
}
