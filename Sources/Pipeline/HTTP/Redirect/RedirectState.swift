// What a stream remembers of the redirects that it followed by itself. Trivial; part of the stream.

import Primitives

@safe
package struct RedirectState {
    package var count: UInt32 = 0
    /// Pairs of routes, from and to (flat indexes), that `previous_routes` has let pass.
    private var pairs: Block?
    private var pairCount = 0

    package init() {}

    package mutating func destroy(_ pool: BlockPool) {
        if let pairs { pool.free(pairs) }
        pairs = nil
        pairCount = 0
    }

    /// Whether `isSame` holds for a pair that was noted before.
    func has(_ isSame: (_ from: UInt32, _ to: UInt32) -> Bool) -> Bool {
        guard let pairs else { return false }
        let words = unsafe pairs.base.assumingMemoryBound(to: UInt64.self)
        for i in 0..<pairCount {
            let pair = unsafe words[i]
            if isSame(UInt32(truncatingIfNeeded: pair >> 32), UInt32(truncatingIfNeeded: pair)) { return true }
        }
        return false
    }

    /// False: no room, or no memory.
    mutating func note(from: UInt32, to: UInt32, _ pool: BlockPool) -> Bool {
        guard pairCount < InternalRedirectConfig.rememberedMax else { return false }
        if pairs == nil { pairs = pool.allocate(InternalRedirectConfig.rememberedMax &* MemoryLayout<UInt64>.stride) }
        guard let pairs else { return false }
        unsafe pairs.base.assumingMemoryBound(to: UInt64.self)[pairCount] = UInt64(from) << 32 | UInt64(to)
        pairCount &+= 1
        return true
    }
}
