// `disk_layer`: a file per key, below a directory that a symbolic link names; read when the process starts, when the configuration
// is read again, and when the link is moved, which changes all values at once. Main only: the files are small and local.

import EnvoyAPI
import Glibc

enum RuntimeDisk {
    /// `docs/limits.md`
    static let depthMax = 16
    static let keysMax = 65_536
    static let fileBytesMax = 1 << 20

    struct Failure: Error { let message: String }

    static func path(_ layer: Envoy_Config_Bootstrap_V3_RuntimeLayer.DiskLayer, serviceCluster: String) -> String {
        var path = layer.symlinkRoot + "/" + layer.subdirectory
        if layer.appendServiceCluster { path += "/" + serviceCluster }
        return path
    }

    /// Nil: there is no such directory, and so no layer (Envoy).
    static func read(_ path: String) throws(Failure) -> [String: String]? {
        guard isDirectory(path) else { return nil }
        var values: [String: String] = [:]
        try walk(path, prefix: "", depth: 1, &values)
        return values
    }

    private static func isDirectory(_ path: String) -> Bool { kind(path) == S_IFDIR }

    private static func kind(_ path: String) -> mode_t {
        var info = stat()
        return unsafe stat(path, &info) == 0 ? info.st_mode & S_IFMT : 0
    }

    private static func walk(_ path: String, prefix: String, depth: Int, _ values: inout [String: String]) throws(Failure) {
        guard depth <= depthMax else { throw Failure(message: "Walk recursion depth exceeded \(depthMax)") }
        for name in try names(path) {
            let file = path + "/" + name
            let key = prefix.isEmpty ? name : prefix + "." + name
            if isDirectory(file) {
                try walk(file, prefix: key, depth: depth + 1, &values)
                continue
            }
            // Pipes and sockets would make main wait.
            guard kind(file) == S_IFREG else { continue }
            guard values.count < keysMax else { throw Failure(message: "more than \(keysMax) keys below '\(path)'") }
            do throws(FileBytes.Failure) {
                values[key] = text(try FileBytes.read(file, limit: fileBytesMax))
            } catch {
                throw Failure(message: "unable to read file: \(file)")
            }
        }
    }

    private static func names(_ path: String) throws(Failure) -> [String] {
        guard let directory = unsafe opendir(path) else { throw Failure(message: "unable to open directory: \(path)") }
        defer { unsafe _ = closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
                unsafe String(cString: UnsafeRawPointer(name).assumingMemoryBound(to: CChar.self))
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Without lines that begin with `#`, and without white space at the end.
    static func text(_ bytes: [UInt8]) -> String {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        var kept = Array(lines.filter { $0.first != UInt8(ascii: "#") }.joined(separator: [UInt8(ascii: "\n")]))
        while let last = kept.last, last == 0x20 || (0x09...0x0d).contains(last) { kept.removeLast() }
        return String(decoding: kept, as: UTF8.self)
    }
}

/// The links that layers hang on: one that another has taken the place of is another file.
struct RuntimeWatch {
    private var identities: [(path: String, identity: [UInt64])]

    init(_ bootstrap: Envoy_Config_Bootstrap_V3_Bootstrap) {
        identities = bootstrap.layeredRuntime.layers.compactMap { layer in
            guard case .diskLayer(let disk) = layer.layerSpecifier else { return nil }
            return (disk.symlinkRoot, RuntimeWatch.identity(disk.symlinkRoot))
        }
    }

    var isEmpty: Bool { identities.isEmpty }

    mutating func hasChanged() -> Bool {
        var changed = false
        for i in identities.indices {
            let now = RuntimeWatch.identity(identities[i].path)
            // A link that is away for a moment is about to be made anew.
            if now.isEmpty || now == identities[i].identity { continue }
            identities[i].identity = now
            changed = true
        }
        return changed
    }

    private static func identity(_ path: String) -> [UInt64] {
        var info = stat()
        guard unsafe lstat(path, &info) == 0 else { return [] }
        return [UInt64(info.st_ino), UInt64(info.st_dev)]
    }
}
