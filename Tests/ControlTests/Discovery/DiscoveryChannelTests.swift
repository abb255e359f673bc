import Control
import EnvoyAPI
import Primitives
import Stats
import StatsStore
import Testing

/// Many who ask for resources of one type on one stream: what is read, who is told, what the server hears of them.
@Suite struct DiscoveryChannelTests {
    private static let type = "type.googleapis.com/a.B"

    private final class Seen {
        var reads: [String] = []
        var taken: [String] = []
        var settled = 0
        var lines: [String] = []
    }
    private let seen = Seen()
    private let stats = StatRegistry(workers: 1)

    /// A resource's bytes are its name.
    private func channel(isIncremental: Bool) -> DiscoveryChannel {
        let session = DiscoverySession(
            typeURL: DiscoveryChannelTests.type, isIncremental: isIncremental, names: [], node: Envoy_Config_Core_V3_Node(), namesNodeOnce: false)
        return DiscoveryChannel(session) { [seen] resource throws(DiscoveryRefusal) in
            let text = String(decoding: resource.bytes, as: UTF8.self)
            seen.reads.append(text)
            if text == "broken" { throw DiscoveryRefusal(reason: "nothing of ours") }
            resource.message = text
            if resource.name.isEmpty { resource.name = text }
        }
    }

    private func subscription(_ name: String, refuses: Bool = false) -> Subscription {
        Subscription(
            [name], type: DiscoveryChannelTests.type, path: nil, stats, stats.scope("x.\(name).", SubscriptionStat.self),
            update: { [seen] update throws(DiscoveryRefusal) in
                if refuses { throw DiscoveryRefusal(reason: "not for me") }
                let messages = update.resources.compactMap { $0.message as? String }
                seen.taken.append("\(name): \(messages.joined(separator: ",")) -\(update.removed.joined(separator: ","))")
                return true
            }, settled: { [seen] in seen.settled += 1 }, log: { [seen] in seen.lines.append($0) })
    }

    private func update(_ resources: [(name: String, text: String)], removed: [String] = []) -> DiscoveryUpdate {
        var update = DiscoveryUpdate()
        update.version = "1"
        update.resources = resources.map { DiscoveredResource(name: $0.name, version: "v", typeURL: DiscoveryChannelTests.type, bytes: Array($0.text.utf8)) }
        update.removed = removed
        return update
    }

    private func names(_ request: [UInt8]?) throws -> [String] {
        try Envoy_Service_Discovery_V3_DiscoveryRequest(serializedBytes: try #require(request)).resourceNames
    }

    /// One request for all that come and go in a turn.
    @Test func theServerIsToldOnce() throws {
        let channel = channel(isIncremental: false)
        let all = (0..<300).map { subscription("s\($0)") }
        for one in all { channel.add(one) }
        #expect(try names(channel.changes()).count == 300)
        #expect(channel.changes() == nil)
        let more = subscription("more")
        channel.add(more)
        channel.remove(Array(all.dropFirst(2)))
        #expect(try names(channel.changes()) == ["more", "s0", "s1"])
        // What comes and goes again is nothing to tell.
        channel.remove([more])
        channel.add(more)
        #expect(channel.changes() == nil)
        channel.remove([more])
        // The next stream begins with what is asked for then.
        #expect(try names(channel.opening()) == ["s0", "s1"])
        #expect(channel.changes() == nil)
    }

    /// However many ask, each resource is read once.
    @Test func aResponseIsReadOnce() throws {
        let channel = channel(isIncremental: false)
        for i in 0..<20 { channel.add(subscription("s\(i)")) }
        channel.add(subscription("s1"))
        _ = channel.opening()
        _ = channel.received(update((0..<30).map { ("", "s\($0)") }))
        #expect(seen.reads.count == 30)
        #expect(seen.taken.count == 21)
        #expect(seen.taken.filter { $0 == "s1: s1 -" }.count == 2)
        #expect(seen.settled == 21)
    }

    /// Incremental: what nobody asks for is nobody's mistake; and whoever is taken away is told to whom it was given.
    @Test func ofIncrementsWhatIsAskedForIsRead() throws {
        let channel = channel(isIncremental: true)
        channel.add(subscription("a"))
        channel.add(subscription("b"))
        channel.add(subscription("c"))
        _ = channel.opening()
        let answer = try Envoy_Service_Discovery_V3_DeltaDiscoveryRequest(
            serializedBytes: channel.received(update([("a", "first"), ("x", "broken")], removed: ["b", "y"])))
        #expect(!answer.hasErrorDetail)
        #expect(seen.reads == ["first"])
        #expect(seen.taken == ["a: first -", "b:  -b"])
        #expect(seen.settled == 2)
    }

    /// As in Envoy a response that cannot be read is nobody's, and one that somebody refuses is refused in the name of all.
    @Test(arguments: [true, false]) func aRefusalIsToldToAll(isUnreadable: Bool) throws {
        let channel = channel(isIncremental: false)
        channel.add(subscription("a"))
        channel.add(subscription("b", refuses: true))
        _ = channel.opening()
        let answer = try Envoy_Service_Discovery_V3_DiscoveryRequest(
            serializedBytes: channel.received(update(isUnreadable ? [("", "a"), ("", "broken")] : [("", "a"), ("", "b")])))
        #expect(answer.errorDetail.message == (isUnreadable ? "nothing of ours" : "not for me"))
        #expect(seen.taken == (isUnreadable ? [] : ["a: a -"]))
        #expect(seen.lines.count == 2 && seen.settled == 2)
    }
}
