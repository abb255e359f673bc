/// Asks a proxy's admin port. One connection per question: the answer ends with the connection.
package struct Admin: Sendable {
    package let port: UInt16

    package init(port: UInt16) { self.port = port }

    package func request(
        _ method: String, _ path: String, form: String = "", limitMs: Int = patienceMs
    ) -> HTTPMessage? {
        let type = form.isEmpty ? "" : "content-type: application/x-www-form-urlencoded\r\n"
        let head = "\(method) \(path) HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\(type)"
        var client = RawClient(
            steps: [.send("\(head)content-length: \(form.utf8.count)\r\n\r\n\(form)")],
            methods: [method])
        client.answerLimitMs = limitMs * patienceFactor
        client.announcedCloseLimitMs = 0
        client.closeLimitMs = 0
        guard let outcome = try? client.run(port: port) else { return nil }
        return outcome.responses.first { $0.isComplete }
    }

    package func isReady() -> Bool { request("GET", "/ready")?.status == 200 }

    /// A statistic, once it is what was expected, or what it is when there is no more patience.
    package func stat(_ name: String, becomes wanted: Int) -> Int? {
        var seen: Int?
        _ = wait(upToMs: 10_000, everyMs: 20) {
            seen = stats(matching: "^" + name + "$")[name]
            return seen == wanted
        }
        return seen
    }

    package func stat(_ name: String, reaches least: Int) -> Bool {
        wait(upToMs: 10_000, everyMs: 20) { stats(matching: "^" + name + "$")[name] ?? 0 >= least }
    }

    /// Counters and gauges whose names match the regular expression. `usedOnly`: without those that have no value yet. Read by
    /// bytes: the oracle does it twice per case.
    package func stats(matching filter: String, usedOnly: Bool = false) -> [String: Int] {
        guard let answer = request("GET", "/stats?filter=" + Admin.escaped(filter) + (usedOnly ? "&usedonly" : "")) else { return [:] }
        let body = answer.body
        var result: [String: Int] = [:]
        var start = 0
        while start < body.count {
            let end = body[start...].firstIndex(of: UInt8(ascii: "\n")) ?? body.count
            defer { start = end + 1 }
            guard let blank = body[start..<end].lastIndex(of: UInt8(ascii: " ")), blank > start, body[blank - 1] == UInt8(ascii: ":"),
                let value = Int(String(decoding: body[(blank + 1)..<end], as: UTF8.self))
            else { continue }
            result[String(wire: body[start..<(blank - 1)])] = value
        }
        return result
    }

    package static func escaped(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            let scalar = Character(Unicode.Scalar(byte))
            if scalar.isLetter || scalar.isNumber || "._-~".contains(scalar) {
                result.append(scalar)
            } else {
                result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }
}

extension String {
    package func range(ofLast separator: String) -> Range<String.Index>? {
        let pattern = Array(separator)
        var end = endIndex
        while let start = index(end, offsetBy: -pattern.count, limitedBy: startIndex) {
            if self[start..<end].elementsEqual(pattern) { return start..<end }
            end = index(before: end)
        }
        return nil
    }
}
