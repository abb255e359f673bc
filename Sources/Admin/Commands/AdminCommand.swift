// A line of the command table: where it is, what it says of itself, what it does.

struct AdminCommand: Sendable {
    enum Kind: Sendable {
        case text
        case flag
        /// The first one is the default.
        case choice([String])
    }

    struct Parameter: Sendable {
        let name: String
        let help: String
        let kind: Kind

        init(_ name: String, _ help: String, _ kind: Kind = .text) {
            self.name = name
            self.help = help
            self.kind = kind
        }
    }

    let path: String
    let help: String
    /// Changes something: POST only.
    let mutates: Bool
    let parameters: [Parameter]
    /// Whether a request changes something though GET is allowed: it is not done for other sites, nor without the token.
    let startsWork: @Sendable (AdminRequest) -> Bool
    let answer: @Sendable (AdminContext, AdminRequest) -> AdminResponse

    init(
        _ path: String, _ help: String, mutates: Bool = false, _ parameters: [Parameter] = [],
        startsWork: @escaping @Sendable (AdminRequest) -> Bool = { _ in false },
        _ answer: @escaping @Sendable (AdminContext, AdminRequest) -> AdminResponse
    ) {
        self.path = path
        self.help = help
        self.mutates = mutates
        self.parameters = parameters
        self.startsWork = startsWork
        self.answer = answer
    }
}
