import Glibc

/// A point on the monotonic clock at which patience ends. Every wait in the tests has one: nothing hangs.
package struct Deadline: Sendable {
    let atNs: UInt64

    package init(afterMs milliseconds: Int) {
        atNs = Deadline.nowNs() + UInt64(max(0, milliseconds)) * 1_000_000
    }

    package static func nowNs() -> UInt64 {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }

    package var remainingMs: Int {
        let now = Deadline.nowNs()
        return now >= atNs ? 0 : Int((atNs - now + 999_999) / 1_000_000)
    }

    package var passed: Bool { Deadline.nowNs() >= atNs }

    /// The earlier of two.
    package func orSooner(_ other: Deadline) -> Deadline { atNs <= other.atNs ? self : other }
}

package func sleep(ms milliseconds: Int) {
    usleep(UInt32(milliseconds * 1_000))
}

/// A sanitized program is several times slower: who waits for it has more patience.
package let patienceFactor = Environment["MARTLET_SANITIZED"] == nil ? 1 : 4

/// A busy machine can stand still for seconds: what must come is waited for at least this long.
package let patienceMs = 15_000

/// Asks again and again, each `everyMs`, until the answer is yes or the time is over. Limits of a second and more say
/// "soon", not when: they are never shorter than `patienceMs`.
package func wait(upToMs limit: Int, everyMs interval: Int = 5, until condition: () -> Bool) -> Bool {
    let deadline = Deadline(afterMs: (limit < 1_000 ? limit : max(limit, patienceMs)) * patienceFactor)
    while true {
        if condition() { return true }
        if deadline.passed { return false }
        sleep(ms: interval)
    }
}
