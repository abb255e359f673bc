// `/console/data`: what the console needs and Envoy's commands do not tell. Compact, an event at a time.
//
// `{"now":…,"state":…,"uptime":…,"version":…,"plan":41,"workers":[41,41],"config":…,"eventCount":9,"events":[…]}`; times
// in milliseconds since 1970, `uptime` in seconds. Each event: `kind`, `version`, `at`, `subject`, `listeners` and `clusters`
// (`added`, `modified`, `removed`: how many, and the first names), `lines`, `lineCount`. With `?since=<eventCount>` the
// events are left out when there are no others: what is asked for every two seconds is a few hundred bytes.

import Control
import EnvoyAPI
import Primitives
import Stats

enum ConsoleData {
    static let command = AdminCommand("/console/data", "what the console shows of the process") { context, request in
        AdminResponse(contentType: AdminResponse.json, body: ConsoleDataBody(context, since: request.query["since"]))
    }
}

final class ConsoleDataBody: BodySource {
    private let head: String
    private let events: [ServerEvent]
    private var at = 0

    init(_ context: AdminContext, since: String?) {
        let server = context.server
        let isKnown = since == "\(server.events.count)"
        events = isKnown ? [] : server.events.all
        let facts: [(String, String)] = [
            ("now", "\(Clock.wallNs() / 1_000_000)"), ("state", JSONText.quoted(server.state)),
            ("uptime", "\((Clock.monotonicNs() - server.startedNs) / 1_000_000_000)"),
            ("version", JSONText.quoted(context.version)), ("plan", "\(server.publisher.version)"),
            ("workers", "[" + server.publisher.adoptedVersions.map { "\($0)" }.joined(separator: ",") + "]"),
            ("config", JSONText.quoted(server.options.configPath ?? "")),
            ("failsHealthChecks", "\(server.failsHealthChecks)"), ("eventCount", "\(server.events.count)"),
        ]
        head = "{" + facts.map { "\"\($0)\":\($1)" }.joined(separator: ",") + (isKnown ? "" : ",\"events\":[")
        hasEvents = !isKnown
        super.init()
    }

    private let hasEvents: Bool

    override func next(_ out: inout [UInt8]) -> Bool {
        if at == 0 { out += head.utf8 }
        while at < events.count, out.count < BodySource.pieceBytes {
            if at > 0 { out.append(UInt8(ascii: ",")) }
            out += ConsoleDataBody.text(events[at]).utf8
            at += 1
        }
        if at < events.count { return true }
        out += (hasEvents ? "]}\n" : "}\n").utf8
        return false
    }

    private static func text(_ event: ServerEvent) -> String {
        var text = "{\"kind\":\"\(event.kind.rawValue)\",\"version\":\(event.version),\"at\":\(event.atNs / 1_000_000)"
        text += ",\"subject\":\(JSONText.quoted(event.subject))"
        text += ",\"listeners\":\(self.text(event.listeners)),\"clusters\":\(self.text(event.clusters))"
        return text + ",\"lineCount\":\(event.lineCount),\"lines\":\(list(event.lines))}"
    }

    private static func text(_ count: ConfigChanges.Count) -> String {
        "{\"added\":[\(count.added),\(list(count.addedNames))],\"modified\":[\(count.modified),\(list(count.modifiedNames))],\"removed\":[\(count.removed),\(list(count.removedNames))]}"
    }

    private static func list(_ texts: [String]) -> String {
        "[" + texts.map { JSONText.quoted($0) }.joined(separator: ",") + "]"
    }
}
