import TestSupport

extension Groups {
    static let framing = Group(
        name: "framing",
        listeners: [.init(name: "main")],
        clusters: [Group.up],
        cases: [
            Case("framing.get", "GET /a HTTP/1.1\r\nHost: h.test\r\nUser-Agent: Test\r\n\r\n"),
            Case("framing.garbage", "\u{1}\u{2}garbage\r\n\r\n"),
        ])
}
