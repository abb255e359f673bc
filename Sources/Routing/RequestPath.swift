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

    /// Without what follows the first `;` (`ignore_path_parameters_in_path_matching`).
    package static func withoutParameters(_ path: Bytes) -> Bytes {
        path.firstIndex(of: UInt8(ascii: ";")).map { path.prefix($0) } ?? path
    }
}
