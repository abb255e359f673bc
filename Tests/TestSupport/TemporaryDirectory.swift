import Glibc

/// A directory of its own below /tmp, removed with everything in it when its owner goes.
package final class TemporaryDirectory: Sendable {
    package let path: String

    package init() {
        var template = Array("/tmp/martlet-test-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { fatalError("a temporary directory could be made") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        Files.removeTree(path)
    }

    @discardableResult
    package func write(_ text: String, to name: String) -> String {
        let file = path + "/" + name
        Files.write(Array(text.utf8), to: file)
        return file
    }
}

package enum Files {
    /// The whole file; nil when it cannot be read.
    package static func read(_ path: String) -> [UInt8]? {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        let owner = Descriptor(descriptor)
        var bytes: [UInt8] = []
        while true {
            let part = unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
                count = max(0, unsafe Glibc.read(owner.raw, buffer.baseAddress, 65_536))
            }
            if part.isEmpty { return bytes }
            bytes += part
        }
    }

    package static func text(_ path: String) -> String? {
        read(path).map { String(decoding: $0, as: UTF8.self) }
    }

    package static func write(_ bytes: [UInt8], to path: String) {
        let descriptor = unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        precondition(descriptor >= 0, "\(path) could be written")
        let owner = Descriptor(descriptor)
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBufferPointer {
                unsafe Glibc.write(owner.raw, $0.baseAddress! + written, bytes.count - written)
            }
            precondition(count > 0, "\(path) could be written")
            written += count
        }
    }

    /// Removes a file, or a directory with everything in it; links are removed, not followed.
    package static func removeTree(_ path: String) {
        if unsafe unlink(path) == 0 { return }
        for name in names(in: path) { removeTree(path + "/" + name) }
        unsafe rmdir(path)
    }

    /// The entries of a directory; none when it cannot be read.
    package static func names(in path: String) -> [String] {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    package static func move(_ path: String, _ target: String) -> Bool { unsafe rename(path, target) == 0 }
    package static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }
    package static func isExecutable(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }
}
