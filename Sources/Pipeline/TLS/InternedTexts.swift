// Texts that are made at run time and outlive what they were made for: reasons of failures, in details and log lines.
// There are few different ones, so each is kept once, for as long as the worker lives.

import Glibc
import Primitives

@safe
struct InternedTexts {
    /// Different texts that are kept. `docs/limits.md`.
    static let textsMax = 512
    private var texts: [Bytes] = []
    private var hashes: [UInt64] = []
    private let seed = Random.systemSeed()

    /// The text, kept; `instead` when there are too many already.
    mutating func intern(_ text: Bytes, else instead: StaticString) -> Bytes {
        let hash = text.seededHash(seed)
        for i in hashes.indices where hashes[i] == hash && texts[i].equals(text) { return texts[i] }
        guard texts.count < InternedTexts.textsMax else { return Bytes(instead) }
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: max(text.count, 1))
        unsafe memory.update(from: text.base, count: text.count)
        let kept = unsafe Bytes(UnsafeRawPointer(memory), text.count)
        texts.append(kept)
        hashes.append(hash)
        return kept
    }
}
