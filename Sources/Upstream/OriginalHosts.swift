// Hosts of an ORIGINAL_DST cluster as one worker sees them: nobody lists them; each is there from the first connection that
// was meant for its address until none has been for a while.

import Primitives

@safe
package struct OriginalHosts {
    /// `docs/limits.md`
    package static let hostsMax = 65_536
    private static let bucketCount = 1024
    private let buckets: UnsafeMutablePointer<UInt64>
    package private(set) var count = 0
    /// Free places on the board, a bit each.
    private var free: (UInt64, UInt64, UInt64, UInt64) = (.max, .max, .max, .max)

    package init() {
        unsafe buckets = .allocate(capacity: OriginalHosts.bucketCount)
        unsafe buckets.initialize(repeating: Handle.none.raw, count: OriginalHosts.bucketCount)
    }

    /// A place on this worker's side of the board; nil: there is none left.
    package mutating func takePlace() -> Int? {
        func lowest(_ word: inout UInt64, _ base: Int) -> Int? {
            guard word != 0 else { return nil }
            defer { word &= word &- 1 }
            return base &+ word.trailingZeroBitCount
        }
        return lowest(&free.0, 0) ?? lowest(&free.1, 64) ?? lowest(&free.2, 128) ?? lowest(&free.3, 192)
    }

    package mutating func givePlace(_ place: Int) {
        let bit = UInt64(1) &<< UInt64(truncatingIfNeeded: place & 63)
        switch place &>> 6 {
        case 0: free.0 |= bit
        case 1: free.1 |= bit
        case 2: free.2 |= bit
        default: free.3 |= bit
        }
    }

    package func destroy() { unsafe buckets.deallocate() }

    private static func bucket(_ address: SocketAddress) -> Int {
        var mixed = address.high ^ (address.low &* 0x9E37_79B9_7F4A_7C15) ^ (UInt64(address.port) &* 0xC2B2_AE3D_27D4_EB4F)
        mixed = (mixed ^ (mixed &>> 29)) &* 0xBF58_476D_1CE4_E5B9
        return Int(truncatingIfNeeded: mixed &>> 40) & (bucketCount - 1)
    }

    // HOT: per request.
    package func find(_ address: SocketAddress, _ slab: Slab<Host>) -> UnsafeMutablePointer<Host>? {
        var host = unsafe slab[Handle(raw: buckets[OriginalHosts.bucket(address)])]
        while let other = unsafe host, unsafe other.pointee.config.address != address { unsafe host = slab[other.pointee.nextOriginal] }
        return unsafe host
    }

    package mutating func insert(_ host: UnsafeMutablePointer<Host>) {
        let place = unsafe OriginalHosts.bucket(host.pointee.config.address)
        unsafe host.pointee.nextOriginal = unsafe Handle(raw: buckets[place])
        unsafe buckets[place] = unsafe host.pointee.handle.raw
        count &+= 1
    }

    /// Takes out every host that is to go, by what `leaves` says of it, and hands it over.
    package mutating func remove(
        _ slab: Slab<Host>, where leaves: (UnsafeMutablePointer<Host>) -> Bool, _ gone: (Handle) -> Void
    ) {
        for place in 0..<OriginalHosts.bucketCount {
            var kept = Handle.none
            var next = unsafe Handle(raw: buckets[place])
            while let host = unsafe slab[next] {
                unsafe next = host.pointee.nextOriginal
                if unsafe leaves(host) {
                    count &-= 1
                    unsafe gone(host.pointee.handle)
                } else {
                    unsafe host.pointee.nextOriginal = kept
                    unsafe kept = host.pointee.handle
                }
            }
            unsafe buckets[place] = kept.raw
        }
    }
}

/// What configuration says of an ORIGINAL_DST cluster, frozen.
@safe
package struct OriginalDstConfig: BitwiseCopyable {
    /// A request's header goes before the connection's address; empty: none.
    package var header = Bytes.empty
    /// `metadata_key`: what the connection's dynamic metadata has there goes before both; empty: none.
    package var metadataNamespace = Bytes.empty
    package var metadataKey = Bytes.empty
    /// Takes the place of the address's port; 0: none.
    package var port: UInt16 = 0
    /// How long a host that nobody asks for stays at the least, in milliseconds.
    package var cleanupMs: UInt64 = 5_000
    /// First of the statistics that those of its hosts share that have no place on the board.
    package var hostStats: UInt32 = 0
    /// What main is shown of the hosts. Nil: nothing (tests).
    package var board: OriginalHostBoard?
    package init() {}
}
