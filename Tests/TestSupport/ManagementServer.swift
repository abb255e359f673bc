/// `Collector/management.py`: a management server that gives secrets, and layers of the runtime, out of a folder, with the public libraries.
package final class ManagementServer {
    package let port: UInt16
    package let restPort = Ports.free()
    package let folder: TemporaryDirectory
    private let process: ChildProcess

    package struct NotServing: Error, CustomStringConvertible {
        package let description: String
    }

    package static let isInstalled: Bool = {
        let script = "import grpc, envoy.service.discovery.v3.discovery_pb2"
        guard let run = try? ChildProcess("/usr/bin/env", ["python3", "-c", script]) else { return false }
        return run.waitForExit(upToMs: 20_000) == 0
    }()

    /// Port and folder of another one: it comes where that one was.
    package init(port: UInt16 = Ports.free(), folder: TemporaryDirectory = TemporaryDirectory()) throws {
        self.port = port
        self.folder = folder
        let scripts = "\(#filePath)".split(separator: "/").dropLast().map { "/" + $0 }.joined()
        process = try ChildProcess("/usr/bin/env", ["python3", scripts + "/Collector/management.py", "\(port)", folder.path, "\(restPort)"])
        guard wait(upToMs: 20_000, everyMs: 20, until: { process.output.contains("\"ready\"") || process.exitStatus() != nil }),
            process.exitStatus() == nil
        else { throw NotServing(description: process.output) }
    }

    deinit { process.kill() }

    package func end() { process.kill() }

    /// Every stream ends.
    package func endStreams() { put("", "_end") }

    package func lines(_ what: String) -> [JSON] {
        process.output.textLines.compactMap { line in
            guard line.contains("\"what\": \"\(what)\""), let value = try? JSON(parsing: line) else { return nil }
            return value
        }
    }

    /// Once there are as many; what there is after ten seconds.
    package func lines(_ what: String, _ count: Int) -> [JSON] {
        _ = wait(upToMs: 10_000, everyMs: 20, until: { lines(what).count >= count })
        return lines(what)
    }

    // MARK: Secrets

    /// `secret`: what a `Secret` has beside its name, as JSON.
    package func give(_ name: String, _ version: String, _ secret: String) {
        put("{\"version\": \"\(version)\", \"secret\": {\(secret)}}", name + ".json")
    }

    /// `layer`: of the runtime, members as JSON; `called`: by the resource, where that is another name.
    package func give(runtime name: String, _ version: String, _ layer: String, called: String? = nil) {
        put("{\"version\": \"\(version)\", \"runtime\": {\(layer)}\(called.map { ", \"name\": \"\($0)\"" } ?? "")}", name + ".json")
    }

    /// `value`: base64.
    package func giveOther(_ name: String, _ version: String, type: String, value: String = "") {
        put("{\"version\": \"\(version)\", \"raw\": {\"type_url\": \"\(type)\", \"value\": \"\(value)\"}}", name + ".json")
    }

    /// A response that says nothing.
    package func giveNothing(_ name: String, _ version: String) { put("{\"version\": \"\(version)\", \"empty\": true}", name + ".json") }

    /// Over REST. `more`: members of an entry, as JSON.
    package func answer(_ name: String, _ version: String, _ more: String) {
        put("{\"version\": \"\(version)\", \(more)}", name + ".json")
    }

    package func remove(_ name: String, _ version: String) { put("{\"version\": \"\(version)\", \"removed\": true}", name + ".json") }

    private func put(_ text: String, _ file: String) {
        let written = folder.write(text, to: file + ".new")
        _ = Files.move(written, folder.path + "/" + file)
    }

    package static func pair(_ certificates: Certificates, _ name: String) -> String {
        "\"tls_certificate\": {\"certificate_chain\": \(inline(certificates.chain(name))), \"private_key\": \(inline(certificates.key(name)))}"
    }

    package static func trust(_ authority: String) -> String { "\"validation_context\": {\"trusted_ca\": \(inline(authority))}" }

    private static func inline(_ path: String) -> String {
        "{\"inline_string\": \"\((Files.text(path) ?? "").split(separator: "\n").joined(separator: "\\n"))\\n\"}"
    }
}
