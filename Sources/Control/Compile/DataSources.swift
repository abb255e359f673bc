// `DataSource`: bytes from the configuration itself, a file or the environment.

import EnvoyAPI
import Glibc

enum DataSources {
    /// Nil after an error. A file is remembered with the part: when its content changes, so does the part.
    static func read(_ source: DataSource, _ place: Place, _ part: PlanPart, _ diagnostics: Diagnostics) -> [UInt8]? {
        switch source.specifier {
        case .inlineString(let text): return Array(text.utf8)
        case .inlineBytes(let bytes): return Array(bytes)
        case .filename(let path):
            do throws(FileContents.Failure) {
                let identity = FileWatch.identity(path)
                let bytes = try FileContents.read(path)
                part.add(file: path, bytes)
                part.identities[path] = identity
                return bytes
            } catch {
                diagnostics.error(place.at("filename"), "unable to read file: \(path) (\(error.reason))")
                return nil
            }
        case .environmentVariable(let name):
            guard let value = unsafe getenv(name) else {
                diagnostics.error(place.at("environment_variable"), "Environment variable doesn't exist: \(name)")
                return nil
            }
            return unsafe Array(String(cString: value).utf8)
        case .none: return []
        }
    }
}

enum FileContents {
    typealias Failure = FileBytes.Failure

    /// A larger file is refused. `docs/limits.md` §configuration.
    static let bytesMax = 64 << 20

    static func read(_ path: String, bytesMax: Int = FileContents.bytesMax) throws(Failure) -> [UInt8] {
        // A device is not even opened: that alone may do something. What it was a moment ago is not what was opened.
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw Failure(reason: FileBytes.reason()) }
        guard isRegular(status) else { throw Failure(reason: "not a regular file") }
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw Failure(reason: FileBytes.reason()) }
        defer { _ = close(descriptor) }
        guard unsafe fstat(descriptor, &status) == 0, isRegular(status) else { throw Failure(reason: "not a regular file") }
        return try FileBytes.read(descriptor, limit: bytesMax)
    }

    private static func isRegular(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFREG }
}
