import COpenSSL
import Glibc
import TestSupport
import Testing

/// The memory that a worker's thread keeps for OpenSSL. Each test has a thread of its own, which ends with it.
@Suite struct OpenSSLMemoryTests {
    private func onThread(_ body: @escaping @Sendable () -> Void) { BackgroundThread(body).join() }

    private func take(_ bytes: Int) -> UnsafeMutableRawPointer? { unsafe CRYPTO_malloc(bytes, "", 0) }
    private func give(_ piece: UnsafeMutableRawPointer?) { unsafe CRYPTO_free(piece, "", 0) }

    /// Pieces of every size at once are apart from each other, and are as large as was asked for.
    @Test func piecesDoNotOverlap() {
        onThread {
            #expect(martlet_openssl_keeps_memory() == 1)
            for _ in 0..<2 {
                var pieces = unsafe [UnsafeMutableRawPointer]()
                let sizes = Array(1...1_100) + [1_279, 1_280, 1_281, 4_095, 4_097, 16_709, 21_848, 24_575, 24_576, 24_577, 100_000]
                for (i, size) in sizes.enumerated() {
                    guard let piece = unsafe take(size) else { return #expect(Bool(false), "\(size)") }
                    unsafe memset(piece, Int32(i & 255), size)
                    unsafe pieces.append(piece)
                }
                for (i, size) in sizes.enumerated() {
                    let bytes = unsafe UnsafeRawBufferPointer(start: pieces[i], count: size)
                    #expect(unsafe bytes.allSatisfy { $0 == UInt8(i & 255) }, "\(size)")
                    unsafe #expect(UInt(bitPattern: pieces[i]) % 16 == 0)
                }
                for unsafe piece in unsafe pieces { unsafe give(piece) }
            }
        }
    }

    /// What was given back is taken again; what a thread keeps has an end.
    @Test func piecesAreTakenAgainUpToALimit() {
        onThread {
            #expect(martlet_openssl_keeps_memory() == 1)
            let first = unsafe take(6_000)
            unsafe give(first)
            #expect(martlet_openssl_kept_bytes() == 6_144)
            let again = unsafe take(5_200)
            #expect(unsafe again == first)
            #expect(martlet_openssl_kept_bytes() == 0)
            unsafe give(again)
            let many = unsafe (0..<1_000).map { _ in unsafe take(16_384) }
            for unsafe piece in unsafe many { unsafe give(piece) }
            let kept = martlet_openssl_kept_bytes() - 6_144
            #expect(kept <= 1_536 << 10 && kept > (1_536 << 10) - 24_576, "\(kept)")
        }
    }

    /// A burst of one size leaves room for the others, and all of them together have an end too.
    @Test func oneSizeDoesNotKeepOutTheOthers() {
        onThread {
            #expect(martlet_openssl_keeps_memory() == 1)
            let large = unsafe (0..<400).map { _ in unsafe take(22_000) }
            for unsafe piece in unsafe large { unsafe give(piece) }
            let before = martlet_openssl_kept_bytes()
            let small = unsafe (0..<200).map { _ in unsafe take(100) }
            for unsafe piece in unsafe small { unsafe give(piece) }
            #expect(martlet_openssl_kept_bytes() == before + 200 * 128)
            // Every size to its own limit.
            for size in stride(from: 64, through: 24_576, by: 64) {
                let many = unsafe (0..<(1_600 << 10) / size).map { _ in unsafe take(size) }
                for unsafe piece in unsafe many { unsafe give(piece) }
            }
            let kept = martlet_openssl_kept_bytes()
            #expect(kept <= 4 << 20 && kept > (4 << 20) - 24_576, "\(kept)")
        }
    }

    @Test func aPieceGrowsWithItsBytes() {
        onThread {
            #expect(martlet_openssl_keeps_memory() == 1)
            guard var piece = unsafe take(10) else { return #expect(Bool(false)) }
            unsafe memset(piece, 7, 10)
            for size in [100, 1_000, 5_000, 30_000, 60_000, 50] {
                guard let grown = unsafe CRYPTO_realloc(piece, size, "", 0) else { return #expect(Bool(false)) }
                unsafe piece = unsafe grown
                let bytes = unsafe UnsafeRawBufferPointer(start: piece, count: 10)
                #expect(unsafe bytes.allSatisfy { $0 == 7 }, "\(size)")
            }
            unsafe give(piece)
            #expect(unsafe take(0) == nil)
            #expect(unsafe CRYPTO_realloc(take(10), 0, "", 0) == nil)
            unsafe give(nil)
        }
    }

    /// Taken on one thread, given back on another that keeps, and on one that does not.
    @Test func anyThreadMayGiveBack() {
        let piece = unsafe UInt(bitPattern: take(2_000))
        onThread {
            #expect(martlet_openssl_keeps_memory() == 1)
            unsafe give(UnsafeMutableRawPointer(bitPattern: piece))
            #expect(martlet_openssl_kept_bytes() == 1_792)
        }
        let other = Locked<UInt>(0)
        onThread {
            #expect(martlet_openssl_keeps_memory() == 1)
            other.withLock { $0 = unsafe UInt(bitPattern: take(2_000)) }
        }
        #expect(martlet_openssl_kept_bytes() == 0)
        unsafe give(UnsafeMutableRawPointer(bitPattern: other.withLock { $0 }))
        #expect(martlet_openssl_kept_bytes() == 0)
    }
}
