import Primitives
import Stats

/// How long one slice of an answer may take. Bytes alone bound nothing: a filter that lets nothing through writes none.
package struct RenderingTime {
    private static let sliceNs: UInt64 = 500_000
    /// A look at the clock costs about as much as a line.
    package static let looksPerClockOfLines = 8

    private let looksPerClock: Int
    private let endNs = Clock.monotonicNs() &+ sliceNs
    private var looks = 0
    private var hasEnded = false

    package init(looksPerClock: Int = RenderingTime.looksPerClockOfLines) { self.looksPerClock = looksPerClock }

    /// Call it every few dozen lines.
    package mutating func isOver() -> Bool {
        looks += 1
        if !hasEnded, looks % looksPerClock == 0 { hasEnded = Clock.monotonicNs() >= endNs }
        return hasEnded
    }
}
