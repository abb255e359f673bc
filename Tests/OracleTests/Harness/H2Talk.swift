import TestSupport

/// A case whose client speaks HTTP/2: what it saw, frame by frame.
struct H2Talk {
    private let client: RawH2Client
    private let test: Case
    private let hasLeft: Bool

    init(_ test: Case, port: UInt16) throws {
        self.test = test
        var begins = true
        if case .silent? = test.frames.first { begins = false }
        client = try RawH2Client(port: port, preface: begins)
        hasLeft = !client.follow(test.frames, limitMs: test.answerLimitMs)
        if !hasLeft { client.read(forMs: test.closeLimitMs) }
    }

    /// The client closes when this has been asked.
    func outcome(_ normaliser: Normaliser) -> Outcome {
        var result: Outcome = [.status: [], .headers: [], .body: [], .end: []]
        // Of DATA the lengths are in the body; how it was cut depends on how reads fell.
        result[.status] = client.words
        for head in client.heads {
            result[.headers]! += head.fields.map { "\(head.stream): \(normaliser.longLine("\($0.name): \($0.value)"))" }
        }
        for (stream, body) in client.body.sorted(by: { $0.key < $1.key }) where !body.isEmpty {
            result[.body]!.append("\(stream): \(normaliser.body(body))")
        }
        var end = hasLeft ? "closed by the client" : client.end
        if test.resetIsClose, end == "reset" { end = "closed" }
        result[.end] = [end]
        client.close()
        return result
    }
}
