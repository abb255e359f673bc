import TestSupport

/// One conversation: what the clients send, what the upstreams do. Its outcome through Envoy is the expectation.
struct Case: Sendable {
    /// One connection to the proxy.
    struct Client: Sendable {
        var steps: [RawClient.Step]
        var methods: [String]
        var startAfterMs = 0
    }

    /// `area.what_it_shows`.
    let name: String
    var listener = "main"
    var clients: [Client] = []
    /// A client of HTTP/2 instead of `clients`.
    var frames: [H2Step] = []
    /// Options of `openssl s_client` instead of `clients`; nil: no such client.
    var tls: TLSTalk?
    /// Scripts by upstream name; an upstream without one answers each request with its default reply.
    var upstreams: [String: UpstreamScript] = [:]
    /// What is not compared, because it depends on timing here.
    var ignoring: Set<Aspect> = []
    /// Counters that depend on timing here (suffixes of their names).
    var ignoringCounters: [String] = []
    /// Fields of the log's line that depend on timing here.
    var ignoringLogFields: [String] = []
    /// UUIDs are left as they are: the case is about them.
    var showsUUIDs = false
    /// Whether the proxy ends a connection by FIN or by RST depends on timing here (unread bytes at the close).
    var resetIsClose = false
    /// How long to watch whether the proxy closes a connection that looks open.
    var closeLimitMs = 80
    /// How long to wait for the responses; less where none comes.
    var answerLimitMs = 8_000

    /// Without methods there are no messages, only bytes.
    var speaksHTTP: Bool { clients.contains { !$0.methods.isEmpty } || !frames.isEmpty || tls != nil }

    var area: String { String(name.prefix { $0 != "." }) }

    /// Everything that decides the outcome on our side; a golden of another input is out of date.
    var input: String {
        let more = (frames.isEmpty ? "" : "\(frames)") + (tls.map { "\($0)" } ?? "")
        return fingerprint(("\(listener)\(clients)\(upstreams.sorted { $0.key < $1.key })" + more).utf8)
    }
}

extension Case {
    /// One client that sends `request` in one piece.
    init(_ name: String, _ request: String, on listener: String = "main", methods: [String]? = nil) {
        self.init(name, steps: [.send(request)], on: listener, methods: methods)
    }

    init(_ name: String, steps: [RawClient.Step], on listener: String = "main", methods: [String]? = nil) {
        self.name = name
        self.listener = listener
        clients = [Client(steps: steps, methods: methods ?? [Case.firstMethod(in: steps)])]
    }

    private static func firstMethod(in steps: [RawClient.Step]) -> String {
        for case .send(let text) in steps { return String(text.prefix { $0 != " " }) }
        return "GET"
    }

    /// One client of HTTP/2.
    init(_ name: String, frames: [H2Step], on listener: String = "main") {
        self.name = name
        self.listener = listener
        self.frames = frames
    }

    /// One client of TLS.
    init(_ name: String, tls: TLSTalk, on listener: String = "main") {
        self.name = name
        self.listener = listener
        self.tls = tls
    }

    func upstream(_ script: UpstreamScript, named name: String = "a") -> Case {
        with { $0.upstreams[name] = script }
    }

    /// The upstream reads each request whole and answers with `reply`.
    func replying(_ reply: String) -> Case { upstream(.always(reply)) }

    func with(_ change: (inout Case) -> Void) -> Case {
        var copy = self
        change(&copy)
        return copy
    }
}

/// What is compared of an outcome, each by itself: a failure says which of them differs.
enum Aspect: String, CaseIterable, Sendable {
    case status, headers, body, end, upstream, log, counters
}

/// What happened, as lines that are equal from run to run.
typealias Outcome = [Aspect: [String]]
