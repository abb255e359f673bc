import TestSupport

extension Groups {
    /// Fields of one connection that routes and virtual hosts add to answers: they are not the client's to read.
    static let connectionFields = Group(
        name: "connection_fields",
        listeners: [
            .init(name: "main", virtualHosts: fieldRoutes),
            .init(name: "websocket", manager: "upgrade_configs: [{upgrade_type: websocket}]", virtualHosts: fieldRoutes),
        ],
        clusters: [Group.up, .init("refused", [.refused])],
        cases: connectionFieldCases)

    private static func adds(_ fields: [(String, String)]) -> String {
        let list = fields.map { "{header: {key: \($0.0), value: \"\($0.1)\"}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}" }
        return "response_headers_to_add: [\(list.joined(separator: ", "))]"
    }

    private static let fieldRoutes = """
        - name: all
          domains: ["*"]
          routes:
          - {match: {path: /close}, route: {cluster: up}, \(adds([("connection", "close")]))}
          - {match: {path: /own}, route: {cluster: up}, \(adds([("connection", "x-own"), ("x-own", "1")]))}
          - {match: {path: /upgrade}, route: {cluster: up}, \(adds([("connection", "upgrade"), ("upgrade", "other")]))}
          - {match: {path: /upgrade_alone}, route: {cluster: up}, \(adds([("upgrade", "other")]))}
          - {match: {path: /keep_alive}, route: {cluster: up}, \(adds([("keep-alive", "timeout=1"), ("proxy-connection", "close")]))}
          - {match: {path: /te}, route: {cluster: up}, \(adds([("te", "trailers"), ("trailer", "x-end")]))}
          - {match: {path: /coding}, route: {cluster: up}, \(adds([("transfer-encoding", "gzip")]))}
          - {match: {path: /direct}, direct_response: {status: 200, body: {inline_string: "hello"}}, \(adds([("connection", "close"), ("upgrade", "other"), ("keep-alive", "1")]))}
          - {match: {path: /redirect}, redirect: {host_redirect: new.test}, \(adds([("connection", "close")]))}
          - {match: {path: /seen}, route: {cluster: up}, \(adds([("x-seen", "%RESP(CONNECTION)% %RESP(UPGRADE)%")]))}
          - {match: {path: /last}, route: {cluster: up}}
          - {match: {path: /down}, route: {cluster: refused}, \(adds([("connection", "close"), ("upgrade", "other")]))}
        """

    private static func twice(_ name: String, _ path: String, _ more: String = "") -> Case {
        Case(
            "connection_fields." + name, steps: [.send(request("GET " + path, more)), .awaitResponse, .send(request("GET /last"))], methods: ["GET", "GET"])
    }

    private static let handshake = request("GET /upgrade", "connection: Upgrade\r\nupgrade: websocket\r\n")

    private static let connectionFieldCases: [Case] = [
        twice("close", "/close"), twice("own", "/own"), twice("upgrade", "/upgrade"), twice("upgrade_alone", "/upgrade_alone"),
        twice("keep_alive", "/keep_alive"), twice("te", "/te"), twice("coding", "/coding"), twice("direct", "/direct"),
        twice("redirect", "/redirect"), twice("local_reply", "/down"),
        twice("of_the_upstream", "/seen").replying(reply("200 OK", "connection: close, x-own\r\nupgrade: h9\r\nkeep-alive: 1\r\nx-own: 1\r\n")),
        Case("connection_fields.switched", steps: [.send(handshake), .awaitText("101")], on: "websocket")
            .upstream(.steps(.readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"), .close)),
    ]
}
