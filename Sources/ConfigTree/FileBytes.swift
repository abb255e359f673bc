import Glibc

/// Reads a whole file, without Foundation.
package enum FileBytes {
    package struct Failure: Error {
        package let reason: String

        package init(reason: String) { self.reason = reason }
    }

    /// A configuration beyond `limit` bytes is a mistake of its own.
    package static func read(_ path: String, limit: Int) throws(Failure) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(reason: reason()) }
        defer { _ = close(descriptor) }
        return try read(descriptor, limit: limit)
    }

    /// What is left to be read of an open file.
    package static func read(_ descriptor: Int32, limit: Int) throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure(reason: reason()) }
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else { throw Failure(reason: "larger than \(limit >> 20) MiB") }
            bytes += chunk.prefix(count)
        }
    }

    /// Of the call that has just failed.
    package static func reason() -> String {
        unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "cannot be read"
    }
}
