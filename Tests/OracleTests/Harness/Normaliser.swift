import TestSupport

/// Makes two runs comparable: ports get their names back, times and random ids a placeholder.
struct Normaliser {
    /// Texts and what stands for them, longest first.
    private let names: [(text: String, name: String)]
    /// Endings of addresses as they are in names of statistics.
    private let endings: [(text: String, name: String)]
    private let showsUUIDs: Bool

    init(ports: [String: UInt16], showsUUIDs: Bool) {
        var names = ports.flatMap { name, port in
            [(":\(port)", ":<\(name)>"), (": \(port)", ": <\(name)>")]
        }
        // Towards a loopback client Envoy shows the node's own address in x-forwarded-for.
        names += Interfaces.ipv4Addresses().map { ($0, "<node address>") }
        self.names = names.sorted { $0.0 < $1.0 }.map { (text: $0.0, name: $0.1) }
        endings = ports.map { (text: "_\($1).", name: "_<\($0)>.") }.sorted { $0.name < $1.name }
        self.showsUUIDs = showsUUIDs
    }

    func line(_ text: String) -> String {
        // First: the beginning of a random one may be the number of a port.
        var result = showsUUIDs ? text : Normaliser.withoutUUIDs(text)
        if Normaliser.mayHoldAName(result) {
            for (text, name) in names { result = result.replacing(text: text, by: name) }
        }
        return result
    }

    /// `cluster.up.endpoint.127.0.0.1_<up.a>.rq_total`
    func statistic(_ name: String) -> String {
        guard name.contains(".endpoint.") else { return name }
        return endings.reduce(name) { $0.replacing(text: $1.text, by: $1.name) }
    }

    func header(_ line: String) -> String {
        let name = line.prefix { $0 != ":" }
        switch name.lowercased() {
        // One of the last century is an upstream's.
        case "date" where line.hasSuffix(" GMT") && !line.split(separator: " ").contains { $0.count == 4 && $0.hasPrefix("19") }: return "\(name): <date>"
        case "x-envoy-upstream-service-time": return "\(name): <ms>"
        default: return self.line(line)
        }
    }

    /// Short bodies whole, long ones by their beginning, length and fingerprint.
    func body(_ bytes: [UInt8]) -> String {
        let text = line(String(wire: bytes))
        if text.unicodeScalars.count <= 400 { return "\(bytes.count) bytes: \(text)" }
        let start = String(String.UnicodeScalarView(text.unicodeScalars.prefix(40)))
        return "\(bytes.count) bytes, fingerprint \(fingerprint(text.wire)): \(start)…"
    }

    func longLine(_ text: String) -> String {
        let line = header(text)
        if line.unicodeScalars.count <= 600 { return line }
        let start = String(String.UnicodeScalarView(line.unicodeScalars.prefix(40)))
        return "\(start)… (\(line.unicodeScalars.count) scalars, fingerprint \(fingerprint(line.wire)))"
    }

    /// Ports and addresses are at least five digits and dots in a row; most lines have none.
    private static func mayHoldAName(_ text: String) -> Bool {
        var run = 0
        for byte in text.utf8 {
            run = (0x30...0x39).contains(byte) || byte == 0x2e ? run + 1 : 0
            if run >= 5 { return true }
        }
        return false
    }

    private static func withoutUUIDs(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        guard scalars.count >= 36, scalars.contains("-") else { return text }
        var result = String.UnicodeScalarView()
        var index = 0
        while index < scalars.count {
            if isUUID(scalars, at: index) {
                result.append(contentsOf: "<uuid>".unicodeScalars)
                index += 36
            } else {
                result.append(scalars[index])
                index += 1
            }
        }
        return String(result)
    }

    private static func isUUID(_ scalars: [Unicode.Scalar], at start: Int) -> Bool {
        guard start + 36 <= scalars.count else { return false }
        for offset in 0..<36 {
            let scalar = scalars[start + offset]
            if [8, 13, 18, 23].contains(offset) {
                if scalar != "-" { return false }
            } else if !scalar.properties.isASCIIHexDigit {
                return false
            }
        }
        return true
    }
}
