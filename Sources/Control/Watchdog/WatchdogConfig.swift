// What `watchdogs` of the bootstrap says, with Envoy's defaults.

package struct WatchdogConfig: Sendable, Equatable {
    package enum Event: Sendable, Equatable {
        case miss, megamiss, kill, multikill
    }

    package enum Action: Sendable, Equatable {
        /// SIGABRT to the thread that hangs; when it has not ended the process after `waitNs`, this thread does.
        case abort(waitNs: UInt64)
        /// A CPU profile of `durationNs`, into a directory; at most `max` for each thread that hung.
        case profile(directory: String, durationNs: UInt64, max: UInt64)
        /// The stack into the log, not again before `cooldownNs` have passed.
        case backtrace(cooldownNs: UInt64)
    }

    package struct Rule: Sendable, Equatable {
        package var event: Event
        package var action: Action

        package init(_ event: Event, _ action: Action) {
            self.event = event
            self.action = action
        }
    }

    package static let ms: UInt64 = 1_000_000
    package static let abortWaitNs: UInt64 = 5_000 * ms
    package static let profileDurationNs: UInt64 = 5_000 * ms
    package static let profilesMax: UInt64 = 10

    package var missNs: UInt64 = 200 * ms
    package var megamissNs: UInt64 = 1000 * ms
    /// 0: nothing is ever killed.
    package var killNs: UInt64 = 0
    package var multikillNs: UInt64 = 0
    /// Of the threads that are watched.
    package var multikillPercent: Double = 0
    package var rules: [Rule] = []

    package init() {}

    /// How often is looked: the shortest of the times.
    package var intervalNs: UInt64 {
        [missNs, megamissNs, killNs, multikillNs].filter { $0 > 0 }.min() ?? 200 * WatchdogConfig.ms
    }

    /// How many have to hang at once for a multikill.
    package func multikillCount(of watched: Int) -> Int {
        max(2, Int((multikillPercent / 100 * Double(watched)).rounded(.up)))
    }
}

package struct WatchdogConfigs: Sendable, Equatable {
    package var main = WatchdogConfig()
    package var workers = WatchdogConfig()

    package init() {}
}
