// A frame as lines of a terminal: what does not fit into its width and height is left out, the least traffic first.

struct TopText {
    let width: Int
    let height: Int
    let isColoured: Bool

    private enum Colour: String {
        case plain = ""
        case bold = "1"
        case soft = "2"
        case good = "32"
        case warn = "33"
        case bad = "31"
    }

    func lines(_ frame: TopFrame) -> [String] {
        var lines = head(frame)
        let hosts = unhealthyHosts(frame)
        let hostRows = min(hosts.count, max(0, height / 4))
        let used = lines.count + 4 + min(frame.managers.count, 5) + (hostRows > 0 ? hostRows + 2 : 0)
        lines += table("HTTP", frame.managers.prefix(5), withHosts: false)
        lines += table("CLUSTER", frame.clusters.prefix(max(1, height - used - 1)), withHosts: true)
        if frame.clusters.count > max(1, height - used - 1) {
            lines[lines.count - 1] = paint(cut("… \(frame.clusters.count) clusters"), .soft)
        }
        if hostRows > 0 {
            lines += ["", paint(cut("HOSTS THAT ARE NOT HEALTHY"), .bold)]
            lines += hosts.prefix(hostRows).map { paint(cut($0), .bad) }
        }
        return Array(lines.prefix(height))
    }

    private func head(_ frame: TopFrame) -> [String] {
        let values = frame.sample.values
        let state = frame.sample.state
        let facts = [
            "up \(TopText.duration(values["server.uptime"] ?? 0))",
            // Envoy has none.
            values["martlet.plan.version"].map { "configuration version \($0)" },
            values["server.concurrency"].map { "\($0) worker\($0 == 1 ? "" : "s")" },
            TopText.bytes(Double(values["server.memory_physical_size"] ?? 0)),
        ].compactMap { $0 }.joined(separator: "  ")
        let title = "martlet top  \(frame.address)  "
        let traffic = [
            "\(TopText.rate(frame.requests)) requests", "\(frame.connections) connections",
            "in \(TopText.bytes(frame.received))/s", "out \(TopText.bytes(frame.sent))/s",
        ].joined(separator: "   ")
        return [
            paint(cut(title), .bold) + paint(TopText.printable(state), state == "LIVE" ? .good : .warn) + paint(cut("  " + facts, less: title.count + state.count), .soft),
            cut(traffic),
        ]
    }

    private func table(_ title: String, _ rows: ArraySlice<TopFrame.Row>, withHosts: Bool) -> [String] {
        guard !rows.isEmpty else { return [] }
        let room = max(12, min(40, width - (withHosts ? 61 : 52)))
        let columns = ["req/s", "4xx", "5xx", "p50", "p99", "active"] + (withHosts ? ["hosts"] : [])
        let heading = TopText.left(title, room) + columns.map { TopText.right($0, 9) }.joined()
        return ["", paint(cut(heading), .bold)]
            + rows.map { row in
                let plain = TopText.left(row.name, room) + TopText.right(TopText.number(row.requests), 9)
                let clientErrors = TopText.right(TopText.percent(row.clientErrors), 9)
                let serverErrors = TopText.right(TopText.percent(row.serverErrors), 9)
                let times = [row.p50, row.p99].map { TopText.right($0.map(TopText.milliseconds) ?? "-", 9) }.joined()
                let active = TopText.right("\(row.active)", 9)
                var line = plain + clientErrors + paint(serverErrors, row.serverErrors >= 0.01 ? .bad : .plain) + times + active
                if let hosts = row.hosts {
                    let words = TopText.right("\(hosts.healthy)/\(hosts.total)", 9)
                    line += paint(words, hosts.healthy < hosts.total || hosts.total == 0 ? .bad : .plain)
                }
                // Colours have no width: only a line without them may be cut.
                return plain.count + 54 > width ? cut(plain) : line
            }
    }

    private func unhealthyHosts(_ frame: TopFrame) -> [String] {
        frame.clusters.flatMap { row in
            (row.hosts?.others ?? []).map { TopText.left("\(row.name)  \($0.address)", 44) + "  " + $0.flags }
        }
    }

    // MARK: Pieces

    private func paint(_ text: String, _ colour: Colour) -> String {
        isColoured && colour != .plain ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
    }

    private func cut(_ text: String, less used: Int = 0) -> String { String(TopText.printable(text).prefix(max(0, width - used))) }

    /// Names come from a configuration: a control character in one would be a command to the terminal.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
    }

    private static func left(_ name: String, _ width: Int) -> String {
        let text = printable(name)
        let shown = text.count > width ? String(text.prefix(width - 1)) + "…" : text
        return shown + String(repeating: " ", count: width - shown.count)
    }

    private static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(1, width - text.count)) + text
    }

    // MARK: Numbers

    static func number(_ value: Double) -> String {
        if value >= 1_000_000 { return tenths(value / 1_000_000) + " M" }
        if value >= 100_000 { return tenths(value / 1000) + " k" }
        return value >= 100 ? "\(Int(value.rounded()))" : tenths(value)
    }

    static func rate(_ value: Double) -> String { number(value) + "/s" }
    static func percent(_ share: Double) -> String { share == 0 ? "0 %" : share >= 0.1 ? "\(Int((share * 100).rounded())) %" : tenths(share * 100) + " %" }

    static func milliseconds(_ value: Double) -> String {
        if value >= 1000 { return tenths(value / 1000) + " s" }
        return value >= 100 ? "\(Int(value.rounded())) ms" : tenths(value) + " ms"
    }

    static func bytes(_ value: Double) -> String {
        var value = value
        var unit = 0
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return (unit == 0 || value >= 100 ? "\(Int(value.rounded()))" : tenths(value)) + " " + units[unit]
    }

    static func duration(_ seconds: UInt64) -> String {
        let parts: [(String, UInt64)] = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]
        var left = seconds
        var words: [String] = []
        for (unit, size) in parts {
            if left >= size { words.append("\(left / size) \(unit)") }
            left %= size
        }
        return words.isEmpty ? "0 s" : words.prefix(2).joined(separator: " ")
    }

    private static func tenths(_ value: Double) -> String {
        let rounded = Int((value * 10).rounded())
        return rounded % 10 == 0 ? "\(rounded / 10)" : "\(rounded / 10).\(rounded % 10)"
    }
}
