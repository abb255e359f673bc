import TestSupport
import Testing

/// The servers of `GRPC/server.py` (PyPI's grpcio), and its client.
final class GRPCServers {
    let ports: [UInt16]
    private let process: ChildProcess

    struct NotServing: Error, CustomStringConvertible {
        let description: String
    }

    static let folder = "\(#filePath)".split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/GRPC"

    static let isInstalled = (try? Shell.run("python3 -c 'import grpc, google.protobuf'"))?.status == 0

    init(_ count: Int = 3, certificates: Certificates? = nil) throws {
        ports = (0..<count).map { _ in Ports.free() }
        var arguments = ["python3", GRPCServers.folder + "/server.py"] + ports.map { "\($0)" }
        if let certificates { arguments += ["--certificate", certificates.chain("server"), "--key", certificates.key("server")] }
        process = try ChildProcess("/usr/bin/env", arguments)
        guard wait(upToMs: 20_000, everyMs: 20, until: { process.output.contains("ready") || process.exitStatus() != nil }),
            process.exitStatus() == nil
        else { throw NotServing(description: process.output) }
    }

    deinit { process.kill() }

    /// Runs the client's cases through a port: the lines that it printed.
    static func runCases(_ port: UInt16, servers: Int, authority: String? = nil) throws -> [String] {
        var arguments = ["python3", folder + "/client.py", "\(port)", "--servers", "\(servers)"]
        if let authority { arguments += ["--authority", authority] }
        let process = try ChildProcess("/usr/bin/env", arguments)
        _ = process.waitForExit(upToMs: 120_000)
        return process.output.textLines
    }
}
