import Glibc

/// Chromium without a window, told what to do over a pipe (the DevTools protocol). What pages complain about is kept.
package final class Browser {
    package struct Failed: Error, CustomStringConvertible {
        package let description: String
    }

    /// Its program; nil: none is installed.
    package static let program = ["chromium", "chromium-browser", "google-chrome"].first { Shell.has($0) }

    private let directory = TemporaryDirectory()
    private let process: ChildProcess
    private let commands: Descriptor
    private let answers: Descriptor
    private var received: [UInt8] = []
    private var number = 0
    private var session = ""
    /// Errors of scripts, of the console, of loading: as the browser reported them.
    package private(set) var complaints: [String] = []

    package init(width: Int = 1280, height: Int = 900) throws {
        guard let program = Browser.program else { throw Failed(description: "no Chromium is installed") }
        let paths = ["commands", "answers"].map { [directory] in directory.path + "/" + $0 }
        for path in paths { guard unsafe mkfifo(path, 0o600) == 0 else { throw Failed(description: "mkfifo") } }
        // The browser reads commands from 3 and writes answers to 4. Opened for both, no end waits for the other.
        process = try ChildProcess(
            "/bin/sh",
            [
                "-c",
                "exec \(program) --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking --no-first-run --remote-debugging-pipe --user-data-dir=\(directory.path)/profile about:blank 3<>\(paths[0]) 4<>\(paths[1])",
            ])
        commands = Descriptor(unsafe Glibc.open(paths[0], O_RDWR | O_CLOEXEC))
        answers = Descriptor(unsafe Glibc.open(paths[1], O_RDWR | O_CLOEXEC))
        let target = try call("Target.createTarget", "{\"url\":\"about:blank\"}")["result"]?["targetId"]?.string ?? ""
        let attached = try call("Target.attachToTarget", "{\"targetId\":\"\(target)\",\"flatten\":true}")
        session = attached["result"]?["sessionId"]?.string ?? ""
        for domain in ["Runtime", "Log", "Page"] { _ = try call(domain + ".enable") }
        try resize(width, height)
    }

    deinit { process.kill() }

    package func resize(_ width: Int, _ height: Int) throws {
        _ = try call(
            "Emulation.setDeviceMetricsOverride",
            "{\"width\":\(width),\"height\":\(height),\"deviceScaleFactor\":1,\"mobile\":false}")
    }

    package func prefers(dark: Bool) throws {
        _ = try call(
            "Emulation.setEmulatedMedia",
            "{\"features\":[{\"name\":\"prefers-color-scheme\",\"value\":\"\(dark ? "dark" : "light")\"}]}")
    }

    package func open(_ address: String) throws { _ = try call("Page.navigate", "{\"url\":\(JSON.string(address).text())}") }

    /// The value of an expression, as text; promises are awaited.
    package func evaluate(_ script: String) throws -> String {
        let wrapped = "(async () => String(await (\(script))))()"
        let answer = try call(
            "Runtime.evaluate", "{\"expression\":\(JSON.string(wrapped).text()),\"awaitPromise\":true,\"returnByValue\":true}")
        if let problem = answer["result"]?["exceptionDetails"] { throw Failed(description: problem.text()) }
        return answer["result"]?["result"]?["value"]?.string ?? ""
    }

    /// Evaluates until the expression is what was wanted; what it is in the end.
    package func evaluate(_ script: String, becomes isWanted: (String) -> Bool, upToMs limit: Int = 15_000) throws -> String {
        let deadline = Deadline(afterMs: limit)
        var seen = try evaluate(script)
        while !isWanted(seen), !deadline.passed {
            sleep(ms: 100)
            seen = try evaluate(script)
        }
        return seen
    }

    // MARK: The pipe

    /// Each message ends with a zero byte.
    private func call(_ method: String, _ parameters: String = "{}") throws -> JSON {
        number += 1
        let to = session.isEmpty ? "" : ",\"sessionId\":\"\(session)\""
        let message = Array("{\"id\":\(number),\"method\":\"\(method)\",\"params\":\(parameters)\(to)}".utf8) + [0]
        guard unsafe write(commands.raw, message, message.count) == message.count else { throw Failed(description: "the pipe is shut") }
        let deadline = Deadline(afterMs: 60_000)
        while !deadline.passed {
            guard let answer = try next(deadline) else { continue }
            if answer["id"]?.text() == "\(number)" { return answer }
            note(answer)
        }
        throw Failed(description: "\(method): the browser does not answer; it printed:\n\(process.output.suffix(2000))")
    }

    private func next(_ deadline: Deadline) throws -> JSON? {
        while true {
            if let end = received.firstIndex(of: 0) {
                let text = String(decoding: received[..<end], as: UTF8.self)
                received.removeFirst(end + 1)
                return try? JSON(parsing: text)
            }
            guard Sockets.ready(answers, for: POLLIN, until: deadline) != 0 else { return nil }
            var piece = [UInt8](repeating: 0, count: 65_536)
            let count = unsafe read(answers.raw, &piece, piece.count)
            guard count > 0 else { throw Failed(description: "the browser has ended") }
            received += piece[..<count]
        }
    }

    private func note(_ event: JSON) {
        let parameters = event["params"]
        switch event["method"]?.string {
        case "Runtime.exceptionThrown": complaints.append(parameters?["exceptionDetails"]?.text() ?? "")
        case "Runtime.consoleAPICalled": complaints.append(parameters?["args"]?.text() ?? "")
        case "Log.entryAdded": complaints.append(parameters?["entry"]?.text() ?? "")
        default: break
        }
    }
}
