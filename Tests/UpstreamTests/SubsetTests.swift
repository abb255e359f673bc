import Primitives
import Testing

@testable import Upstream

/// Subsets of a host set: which there are, and which is found. What falls back to what is compared with Envoy in
/// OracleTests (group `traffic`).
@Suite struct SubsetTests {
    private let arena = FrozenArena()

    private func text(_ string: String) -> [UInt8] { Array(string.utf8) }

    private func metadata(_ fields: [String: SubsetMetadata.Value]) -> SubsetMetadata {
        var metadata = SubsetMetadata()
        metadata.fields = fields
        return metadata
    }

    private func one(_ value: String) -> SubsetMetadata.Value { .one(text(value)) }

    private func table(_ hosts: [SubsetMetadata], _ change: (inout SubsetSpec) -> Void) -> SubsetTable {
        var spec = SubsetSpec()
        change(&spec)
        let configs = hosts.indices.map { i in
            var host = HostConfig()
            host.weight = UInt32(i + 1)
            return host
        }
        return HostSet.build(configs, subsets: spec, metadata: hosts, version: 1, in: arena).subsets
    }

    private func pairs(_ fields: [(String, String)]) -> FrozenArray<MetadataPair> {
        arena.array(fields.map { MetadataPair(name: arena.text($0.0), value: arena.text($0.1)) })
    }

    private func members(_ table: SubsetTable, _ fields: (String, String)...) -> [UInt32]? {
        table.find(MetadataSelection(pairs(fields))).map { members(table, $0) }
    }

    private func members(_ table: SubsetTable, _ number: UInt32) -> [UInt32] {
        guard number != SubsetTable.none, let level = (0..<table.subsets[Int(number)].levels.count).first.map({ table.subsets[Int(number)].levels[$0] })
        else { return [] }
        return (0..<level.candidates.count).map { level.candidates[$0] }
    }

    @Test func hostsAreFiledByTheirKeys() {
        let made = table([metadata(["v": one("1"), "e": one("p")]), metadata(["v": one("2"), "e": one("p")]), metadata(["v": one("2")])]) {
            $0.selectors = [.init(keys: ["v"], takesOneHost: false), .init(keys: ["e", "v"], takesOneHost: false)]
        }
        #expect(made.namedCount == 4)
        #expect(members(made, ("v", "1")) == [0])
        #expect(members(made, ("v", "2")) == [1, 2])
        #expect(members(made, ("e", "p"), ("v", "2")) == [1])
        #expect(members(made, ("v", "3")) == nil)
        #expect(members(made, ("e", "p")) == nil, "no selector has this key alone")
        #expect(members(made) == nil)
        #expect(members(made, made.any) == [])
    }

    @Test func anyAndDefault() {
        let made = table([metadata(["v": one("1")]), metadata(["v": .list([text("1"), text("2")], whole: text("l"))]), metadata([:])]) {
            $0.needsAny = true
            $0.needsDefault = true
            $0.defaultSubset = ["v": Array("1".utf8)]
            $0.listAsAny = true
        }
        #expect(members(made, made.any) == [0, 1, 2])
        #expect(members(made, made.standard) == [0, 1])
        #expect(made.namedCount == 0)
    }

    @Test func oneHostPerSubset() {
        let made = table([metadata(["k": one("x")]), metadata(["k": one("x")]), metadata(["k": one("y")])]) {
            $0.selectors = [.init(keys: ["k"], takesOneHost: true)]
        }
        #expect(members(made, ("k", "x")) == [0])
        #expect(members(made, ("k", "y")) == [2])
        #expect(made.duplicates == 1)
    }

    @Test func listsOfSeveralKeysCombine() {
        let list = SubsetMetadata.Value.list([text("1"), text("2")], whole: text("l"))
        let made = table([metadata(["a": list, "b": list])]) {
            $0.selectors = [.init(keys: ["a", "b"], takesOneHost: false)]
            $0.listAsAny = true
        }
        #expect(made.namedCount == 4)
        #expect(members(made, ("a", "2"), ("b", "1")) == [0])
        let whole = table([metadata(["a": list])]) { $0.selectors = [.init(keys: ["a"], takesOneHost: false)] }
        #expect(members(whole, ("a", "l")) == [0])
        #expect(members(whole, ("a", "1")) == nil)
    }

    @Test func manySubsetsAreAllFound() {
        let made = table((0..<500).map { metadata(["k": one("\($0)")]) }) { $0.selectors = [.init(keys: ["k"], takesOneHost: true)] }
        for i in 0..<500 { #expect(members(made, ("k", "\(i)")) == [UInt32(i)]) }
    }

    @Test func selectionsOfPairs() {
        let all = MetadataSelection(pairs([("a", "1"), ("b", "2"), ("c", "3")]))
        let some = all.filtered(arena.array([arena.text("a"), arena.text("c")]))
        #expect(some.count == 2)
        #expect(some.hash == MetadataSelection(pairs([("a", "1"), ("c", "3")])).hash)
        #expect(some.equals(pairs([("a", "1"), ("c", "3")])) && !some.equals(pairs([("a", "1")])) && !some.equals(pairs([("a", "1"), ("c", "4")])))
        #expect(some.hasNames(arena.array([arena.text("a"), arena.text("c")])) && !all.hasNames(arena.array([arena.text("a")])))
    }

    /// As many pairs as a mask has bits.
    @Test func sixtyFourPairs() {
        let many = (0..<64).map { ("k\($0)", "v") }
        #expect(MetadataSelection(pairs(many)).count == 64)
        #expect(MetadataSelection(pairs(many)).equals(pairs(many)))
    }
}
