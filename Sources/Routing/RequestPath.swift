// The parts of a `:path`: path, query, fragment, path parameters.

import Primitives

package enum RequestPath {
    // HOT: per message.
    /// Without query and fragment: what every path matcher sees.
    package static func withoutQuery(_ path: Bytes) -> Bytes {
        let beforeQuery = path.prefix(path.firstIndex(of: UInt8(ascii: "?")) ?? path.count)
        return beforeQuery.prefix(beforeQuery.firstIndex(of: UInt8(ascii: "#")) ?? beforeQuery.count)
    }

    /// What follows the first `?`; nil when there is none.
    package static func query(_ path: Bytes) -> Bytes? {
        path.firstIndex(of: UInt8(ascii: "?")).map { path.from($0 &+ 1) }
    }

    // HOT: per message.
    /// A path without its query, without the parameters of each of its segments (from `;` to the next `/`), for as long as
    /// `body` runs (`ignore_path_parameters_in_path_matching`). `first`: where its first `;` stands.
    static func withoutParameters<R>(_ path: Bytes, from first: Int, _ body: (Bytes) -> R) -> R {
        // Parameters of the last segment alone: nothing to put together.
        guard path.from(first).firstIndex(of: UInt8(ascii: "/")) != nil else { return body(path.prefix(first)) }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: path.count) { room in
            // No more is written than is read, and `room` is as long as the path.
            let base = unsafe room.baseAddress.unsafelyUnwrapped
            var count = 0
            var isParameter = false
            var i = 0
            while i < path.count {
                let byte = path[i]
                i &+= 1
                if byte == UInt8(ascii: ";") { isParameter = true }
                if byte == UInt8(ascii: "/") { isParameter = false }
                if isParameter { continue }
                unsafe base[count] = byte
                count &+= 1
            }
            return unsafe body(Bytes(UnsafePointer<UInt8>(base), count))
        }
    }

    /// Whether a text may be a request's path or authority. One that is put together from a request's fields may have blanks: they
    /// would end the target early.
    package static func mayStandInTarget(_ text: Bytes) -> Bool {
        for i in 0..<text.count where text[i] <= 0x20 || text[i] == 0x7f { return false }
        return true
    }
}
