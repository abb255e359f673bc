// One part of a plan as main owns it: its frozen memory and everything that has to be given back when it goes.
//
// Made by the compilers, numbered when it is published, freed by `PlanPublisher` once no worker uses it any more.

import Pipeline
import Primitives
import Routing
import Stats
import StatsStore

@safe
package final class PlanPart {
    package enum Kind: String { case listener, cluster, hosts, tls }

    package let kind: Kind
    package let name: String
    /// Valid from its publication on; `none` before.
    package internal(set) var id: PartID = PlanPart.none
    package static let none = PartID.max

    let hash: ContentHash
    let arena = FrozenArena()
    private var scopes: [(ref: StatScopeRef, matcher: StatNameMatcher?)] = []
    private var clusterSlots: [UInt32] = []
    private var regexes: [RegexProgram] = []
    private var rewrites: [RegexRewrite] = []
    private var tables: [RouteTable] = []
    private var kept: [AnyObject] = []
    private var atEnd: [() -> Void] = []
    /// It holds nothing any more.
    private(set) var isGone = false
    /// Files that it was made from, beside its message, and the hash of what they held.
    private(set) var files: [String] = []
    /// What they were before they were read: another one now is a reason to read again.
    var identities: [String: [Int]] = [:]
    /// Files that its formats may name; nil: none.
    var texts: WatchedTexts?
    /// Secrets that they may write, while it is being made.
    weak var secrets: FormatSecrets?
    /// Those of management servers that they may write.
    var awaited: [DiscoveredSecret] = []
    private var filesHash = ContentHash()
    /// Listening sockets that the part's listener uses.
    var sockets: [ListenSocketGroup] = []

    /// `stats_matcher` of its listener or cluster, which judges its statistics in place of `stats_config`'s.
    let matcher: StatNameMatcher?

    init(_ kind: Kind, _ name: String, _ hash: ContentHash, matcher: StatNameMatcher? = nil) {
        self.matcher = matcher
        self.kind = kind
        self.name = name
        self.hash = hash
    }

    /// A part that holds nothing.
    package convenience init(kind: Kind, name: String) { self.init(kind, name, ContentHash()) }

    // MARK: What it holds

    func scope<Leaf: StatLeaf>(_ stats: StatRegistry, _ prefix: String, _ leaf: Leaf.Type) -> StatScope<Leaf> {
        hold(stats.scope(prefix, leaf, matcher: matcher), matcher)
    }

    /// What it counts for the process: access logs, tracers, secrets. As in Envoy its own matcher is not asked.
    func processScope<Leaf: StatLeaf>(_ stats: StatRegistry, _ prefix: String, _ leaf: Leaf.Type) -> StatScope<Leaf> {
        hold(stats.scope(prefix, leaf), nil)
    }

    private func hold<Leaf: StatLeaf>(_ scope: StatScope<Leaf>, _ matcher: StatNameMatcher?) -> StatScope<Leaf> {
        scopes.append((scope.ref, matcher))
        return scope
    }

    func slot(_ slots: SlotTable, _ name: String) -> UInt32 {
        let slot = slots.acquire(name)
        clusterSlots.append(slot)
        return slot
    }

    /// A number for a TLS context, as long as this part lives. No other part's context has it: one chain's or version's policy
    /// never answers for another's.
    func slot(tls slots: SlotTable, _ name: String) -> UInt32 {
        let slot = slots.acquireNew(name)
        onDestroy { slots.release(slot) }
        return slot
    }

    func own(_ program: RegexProgram) { regexes.append(program) }
    func own(_ rewrite: RegexRewrite) { rewrites.append(rewrite) }
    func own(_ table: RouteTable) { tables.append(table) }
    /// Keeps an object that the frozen memory points to.
    func own(_ object: AnyObject) { kept.append(object) }

    /// Calls `body` when the part goes.
    func onDestroy(_ body: @escaping () -> Void) { atEnd.append(body) }

    /// Hashed as it was read: what is there at the next reload may be something else.
    func add(file: String, _ bytes: [UInt8]) {
        files.append(file)
        filesHash.add(bytes)
    }

    private static func hash(_ files: [String]) -> ContentHash {
        var hash = ContentHash()
        for file in files { hash.add((try? FileContents.read(file)) ?? []) }
        return hash
    }

    /// Whether a part made from the same message would be the same.
    func isUnchanged(_ hash: ContentHash) -> Bool {
        self.hash == hash && (files.isEmpty || PlanPart.hash(files) == filesHash)
    }

    package var bytes: Int { arena.bytes }

    // MARK: Its end

    /// Gives back what it holds. No worker may use the part any more; its statistics scopes are retired here, and their
    /// cells may be used again as soon as the registry recycles them.
    func destroy(_ stats: StatRegistry, _ slots: SlotTable) {
        isGone = true
        for scope in scopes { stats.retire(scope.ref, matcher: scope.matcher) }
        for slot in clusterSlots { slots.release(slot) }
        for table in tables { table.destroy() }
        for regex in regexes { regex.destroy() }
        for rewrite in rewrites { rewrite.destroy() }
        for group in sockets { group.release() }
        for body in atEnd { body() }
        atEnd = []
        scopes = []
        clusterSlots = []
        tables = []
        regexes = []
        rewrites = []
        sockets = []
        awaited = []
        kept = []
    }
}
