// The file that a profile is written to: one that the configuration names. Blocks; on a thread of its own but for `canWrite`.

import Glibc
import Primitives

package enum ProfileFile {
    private static let mode: mode_t = 0o644

    /// Makes the file where there is none, as Envoy does when a profile begins.
    package static func canWrite(_ path: String) -> Bool {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, mode)
        guard descriptor >= 0 else { return false }
        close(descriptor)
        return true
    }

    package static func write(_ bytes: [UInt8], to path: String) -> Bool {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress! + done, bytes.count - done) }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return false }
            done += count
        }
        return true
    }
}
