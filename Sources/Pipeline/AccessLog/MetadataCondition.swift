// `metadata_filter` of an access log: what has to stand under a key of dynamic metadata, where all values are texts.

import Primitives
import Routing

@safe
package struct MetadataCondition: BitwiseCopyable {
    /// The operator that gives the value.
    let piece: UnsafePointer<FormatPiece>
    /// Any text will do.
    package var holdsAlways = false
    /// One of these is enough.
    package var texts = FrozenArray<TextMatcher>()

    package init(namespace: String, keys: [String], in arena: FrozenArena) {
        var piece = FormatPiece()
        piece.op = .dynamicMetadata
        FormatMetadata.dynamic([namespace] + keys, arena, &piece)
        unsafe self.piece = unsafe arena.store(piece)
    }

    // HOT: per message.
    func holds(_ text: Bytes) -> Bool {
        if holdsAlways { return true }
        for i in 0..<texts.count where texts[i].matches(text) { return true }
        return false
    }
}
