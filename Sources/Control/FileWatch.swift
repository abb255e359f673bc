// `--watch`: whether the bootstrap file is another than before, by its identity, size and time. Looked at once per tick
// of main: rename, in-place write and symbolic link swap all show.

import Glibc

struct FileWatch {
    private let path: String
    private var last: [Int]
    private var changedAt: Int = 0

    init(_ path: String) {
        self.path = path
        last = FileWatch.identity(path)
    }

    /// True once per change, and only when the file has stayed the same for one look: a half-written file is not read.
    mutating func hasChanged() -> Bool {
        let now = FileWatch.identity(path)
        if now != last {
            last = now
            changedAt = 1
            return false
        }
        guard changedAt > 0, !now.isEmpty else { return false }
        changedAt = 0
        return true
    }

    static func identity(_ path: String) -> [Int] {
        var info = stat()
        guard unsafe stat(path, &info) == 0 else { return [] }
        return [
            Int(info.st_ino), Int(info.st_dev), Int(info.st_size), Int(info.st_mtim.tv_sec), Int(info.st_mtim.tv_nsec),
        ]
    }
}
