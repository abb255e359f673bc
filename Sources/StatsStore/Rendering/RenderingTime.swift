import Primitives
import Stats

/// How long one slice of an answer may take. Bytes alone bound nothing: a filter that lets nothing through writes none.
struct RenderingTime {
    private static let sliceNs: UInt64 = 500_000
    /// A look at the clock costs about as much as a line.
    private static let looksPerClock = 8

    private let endNs = Clock.monotonicNs() &+ sliceNs
    private var looks = 0
    private var hasEnded = false

    /// Call it every few dozen lines.
    mutating func isOver() -> Bool {
        looks += 1
        if !hasEnded, looks % RenderingTime.looksPerClock == 0 { hasEnded = Clock.monotonicNs() >= endNs }
        return hasEnded
    }
}
