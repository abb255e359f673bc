import Glibc

/// Reads a whole file, without Foundation.
package enum FileBytes {
    package struct Failure: Error {
        package let reason: String
    }

    /// A configuration beyond `limit` bytes is a mistake of its own.
    package static func read(_ path: String, limit: Int) throws(Failure) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure() }
        defer { _ = close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure() }
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else { throw Failure(reason: "larger than \(limit >> 20) MiB") }
            bytes += chunk.prefix(count)
        }
    }

    private static func failure() -> Failure {
        unsafe Failure(reason: strerror(errno).map { unsafe String(cString: $0) } ?? "cannot be read")
    }
}
