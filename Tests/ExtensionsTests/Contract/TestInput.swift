// A filter made from its message, as Control makes it.

import EnvoyAPI
import Extensions
import Pipeline
import Primitives
import Stats
import StatsStore

final class TestInput {
    let stats: StatRegistry
    let arena = FrozenArena()
    private(set) var scopes: [String: StatID] = [:]
    private var atEnd: [() -> Void] = []

    init(_ stats: StatRegistry = StatRegistry(workers: 1)) { self.stats = stats }
    deinit { for body in atEnd { body() } }

    func input(_ bytes: [UInt8]) -> FilterInput {
        FilterInput(
            bytes: bytes, name: "test", statPrefix: "http.test.", nodeCluster: "node", localCluster: "", seed: 1, arena: arena,
            scope: { [self] prefix, leaf in
                func open<Leaf: StatLeaf>(_ type: Leaf.Type) -> StatID { stats.scope(prefix, type).base }
                let base = open(leaf)
                scopes[prefix] = base
                return base
            },
            dynamicScopes: { [self] schema in stats.dynamicScopes(schema, seed: 1) }, cluster: { _ in nil }, clusterIfPresent: { _ in nil }, runtime: { _ in nil },
            onRelease: { [self] body in atEnd.append(body) })
    }

    func make(_ name: String, _ message: some SwiftProtobuf.Message) throws -> HTTPFilterFactory {
        guard let filter = HTTPFilters.all.first(where: { $0.name == name }) else { throw BenchError.noMemory }
        return try filter.make(input(Array(try message.serializedData())))
    }
}
