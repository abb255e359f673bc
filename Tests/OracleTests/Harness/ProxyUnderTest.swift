import Glibc
import TestSupport

/// A proxy that runs one group's configuration, with the group's upstreams: its own, so that two proxies never meet.
final class ProxyUnderTest {
    enum Kind: String {
        case envoy = "Envoy"
        case martlet = "Martlet"
    }

    struct NotReady: Error, CustomStringConvertible {
        let description: String
    }

    let kind: Kind
    let group: Group
    let admin: Admin
    let upstreams: [String: ScriptedUpstream]
    /// Ports by the name that stands for them in templates and in outcomes.
    let ports: [String: UInt16]
    let logPath: String

    private let process: ChildProcess
    private let directory: TemporaryDirectory
    private var held: [Descriptor] = []

    init(_ kind: Kind, binary: String, group: Group) throws {
        self.kind = kind
        self.group = group
        directory = TemporaryDirectory()
        logPath = directory.path + "/access.log"

        var ports = ["admin": Ports.free()]
        for listener in group.listeners { ports["listener." + listener.name] = Ports.free() }
        var upstreams: [String: ScriptedUpstream] = [:]
        for endpoint in group.clusters.flatMap(\.endpoints) {
            switch endpoint {
            case .scripted(let name):
                if upstreams[name] != nil { break }
                let upstream = try ScriptedUpstream(name: name)
                upstream.start()
                upstreams[name] = upstream
                ports["up." + name] = upstream.port
            case .refused, .unhealthy:
                if ports["up.refused"] != nil { break }
                ports["up.refused"] = Ports.free()
                held.append(try Sockets.reserve(port: ports["up.refused"]!))
            case .silent:
                if ports["up.silent"] != nil { break }
                ports["up.silent"] = Ports.free()
                held += try ProxyUnderTest.fullQueue(port: ports["up.silent"]!)
            }
        }
        self.upstreams = upstreams
        self.ports = ports
        admin = Admin(port: ports["admin"]!)

        var text = group.template.replacing(text: "{{dir}}", by: directory.path)
        for (name, port) in ports { text = text.replacing(text: "{{\(name)}}", by: "\(port)") }
        if text.contains("{{certs}}") {
            if let problem = OracleCertificates.shared.problem { throw NotReady(description: problem) }
            text = text.replacing(text: "{{certs}}", by: OracleCertificates.shared.directory)
        }
        let file = directory.write(text, to: "bootstrap.yaml")
        process = try ChildProcess(binary, ProxyUnderTest.arguments(kind, binary: binary, file: file))

        let ready = wait(upToMs: 20_000, everyMs: 20) { admin.isReady() || process.exitStatus() != nil }
        guard ready, process.exitStatus() == nil else {
            let lines = process.output.textLines.suffix(6).map { String($0.prefix(500)) }.joined(separator: "\n  ")
            throw NotReady(
                description: "\(kind.rawValue) did not get ready with the configuration of group \(group.name):\n  \(lines)")
        }
    }

    deinit {
        process.kill()
        for upstream in upstreams.values { upstream.stop() }
    }

    var output: String { process.output }
    var isRunning: Bool { process.exitStatus() == nil }

    private static func arguments(_ kind: Kind, binary: String, file: String) -> [String] {
        let common = ["-c", file, "--concurrency", "1"]
        let flush = ["--file-flush-interval-msec", "20"]
        switch kind {
        case .envoy: return common + flush + ["--disable-hot-restart", "-l", "warning"]
        case .martlet:
            guard let help = try? ChildProcess(binary, ["--help"]) else { return common }
            _ = help.waitForExit(upToMs: 5_000)
            return help.output.contains(flush[0]) ? common + flush : common
        }
    }

    /// A listening socket that nobody accepts from, its queue filled: the next connects stay unanswered.
    private static func fullQueue(port: UInt16) throws -> [Descriptor] {
        var sockets = [try Sockets.listen(port: port, backlog: 0)]
        while sockets.count < 4, let socket = try? Sockets.connect(port: port, within: 100) { sockets.append(socket) }
        return sockets
    }
}
