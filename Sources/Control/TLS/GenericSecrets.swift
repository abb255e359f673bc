// Generic secrets that formats write (`%SECRET(name)%`): static ones, out of files, and of management servers. Workers find
// what they are in the plan, by slot (`PlanTexts`); another value is another plan.
//
// Main thread only. A secret stays as long as a part leases it. What it is stands in no line of the log and in no error.

import EnvoyAPI
import Glibc
import Primitives
import Stats
import StatsStore

typealias GenericSecretMessage = Envoy_Extensions_TransportSockets_Tls_V3_GenericSecret

final class GenericSecrets {
    /// A static secret, or where one comes from.
    private struct Key: Hashable {
        let name: String
        let isStatic: Bool
        let wire: [UInt8]
    }

    private enum Origin {
        case configuration
        /// A discovery response.
        case file(String, PlanPart, StatScope<SubscriptionStat>)
        case server(DiscoveredSecret)
    }

    private struct Entry {
        let name: String
        let origin: Origin
        var uses = 0
        /// What is served, but for one of a management server.
        var kept: KeptMessage<TLSSecret>?
        /// What is shown of one out of a file.
        var shown: DynamicSecret?
        /// The discovery response.
        var response = LookedAtFiles()
        /// The file that the secret names.
        var files = LookedAtFiles()
    }

    /// As every file that formats write, twice a second.
    private static let ticksPerLook = 10
    private let texts: PlanTexts
    private let stats: StatRegistry
    private let clusterSlots: SlotTable
    private var bySlot: [UInt32: Entry] = [:]
    private var slots: [Key: UInt32] = [:]
    private var ticks = 0

    init(_ texts: PlanTexts, _ stats: StatRegistry, _ clusterSlots: SlotTable) {
        self.texts = texts
        self.stats = stats
        self.clusterSlots = clusterSlots
    }

    // MARK: Who writes it

    /// Why a static secret cannot be read, whoever else has read it before.
    static func mistake(_ secret: TLSSecret) -> String? {
        var files = LookedAtFiles()
        do throws(DiscoveryRefusal) { _ = try value(secret, &files) } catch { return error.reason }
        return nil
    }

    /// The slot of a static secret, for as long as `part` lives.
    func lease(_ secret: TLSSecret, _ part: PlanPart, refused: (String) -> Void) -> UInt32 {
        let key = Key(name: secret.name, isStatic: true, wire: (try? secret.serializedBytes()) ?? [])
        return slot(key, part, refused: refused) { Entry(name: secret.name, origin: .configuration, kept: KeptMessage(secret)) }
    }

    /// That of one out of a file. Until the file has it, it is as one that is empty: `refused` is told why.
    func lease(_ reference: SecretReference, file path: String, _ part: PlanPart, refused: (String) -> Void) -> UInt32 {
        slot(GenericSecrets.key(reference), part, refused: refused) { [stats] in
            let counted = PlanPart(.tls, "sds." + reference.name, ContentHash())
            let prefix = "sds.\(reference.name)."
            _ = counted.scope(stats, prefix, SecretStat.self)
            var entry = Entry(name: reference.name, origin: .file(path, counted, counted.scope(stats, prefix, SubscriptionStat.self)))
            entry.shown = DynamicSecret(awaited: reference.name, updatedNs: Clock.wallNs())
            return entry
        }
    }

    /// That of one of a management server. What has come already for somebody else may not be readable here: it is as one that is
    /// empty, and `refused` is told why.
    func lease(_ reference: SecretReference, _ secret: DiscoveredSecret, _ part: PlanPart, refused: (String) -> Void) -> UInt32 {
        secret.lease(part)
        part.awaited.append(secret)
        // It may have come for somebody else already, who judged it by what it is there.
        return slot(GenericSecrets.key(reference, isAggregated: secret.isAggregated), part, refused: refused) { Entry(name: reference.name, origin: .server(secret)) }
    }

    private static func key(_ reference: SecretReference, isAggregated: Bool = false) -> Key {
        // As `DiscoveredSecrets` knows them.
        let wire = isAggregated ? nil : try? reference.sdsConfig.serializedBytes() as [UInt8]
        return Key(name: reference.name, isStatic: false, wire: wire ?? [])
    }

    private func slot(_ key: Key, _ part: PlanPart, refused: (String) -> Void, _ make: () -> Entry) -> UInt32 {
        let slot: UInt32
        if let known = slots[key] {
            slot = known
        } else {
            slot = texts.acquireSecret()
            slots[key] = slot
            var entry = make()
            do throws(DiscoveryRefusal) { texts[slot] = PlanText(try read(&entry)) } catch { refused(error.reason) }
            bySlot[slot] = entry
        }
        bySlot[slot]?.uses += 1
        part.onDestroy { [self] in release(slot, key) }
        return slot
    }

    private func release(_ slot: UInt32, _ key: Key) {
        bySlot[slot]?.uses -= 1
        guard let entry = bySlot[slot], entry.uses == 0 else { return }
        if case .file(_, let counted, _) = entry.origin { counted.destroy(stats, clusterSlots) }
        bySlot[slot] = nil
        slots[key] = nil
        texts[slot] = nil
        texts.release(slot)
    }

    // MARK: What they are

    /// As `/config_dump` shows those out of files and of management servers, one for each name.
    var dynamic: [DynamicSecret] {
        var seen: Set<String> = []
        return bySlot.values.sorted { $0.name < $1.name }.compactMap { entry in
            switch entry.origin {
            case .configuration: nil
            case .file: entry.shown
            case .server(let secret): secret.shown(as: .generic)
            }
        }.filter { seen.insert($0.name).inserted }
    }

    /// What a management server gives now. Throws why it cannot be used: nothing has changed then, and what is to be done
    /// otherwise comes back.
    func judge(_ secret: DiscoveredSecret) throws(DiscoveryRefusal) -> () -> Void {
        var changes: [(slot: UInt32, text: PlanText, files: LookedAtFiles)] = []
        for (slot, entry) in bySlot {
            guard case .server(let used) = entry.origin, used === secret, let current = secret.current else { continue }
            var files = LookedAtFiles()
            changes.append((slot, PlanText(try GenericSecrets.value(current, &files)), files))
        }
        return { [self] in
            for change in changes {
                texts[change.slot] = change.text
                bySlot[change.slot]?.files = change.files
            }
        }
    }

    /// Every tick of main: what has other files is read again. One that cannot be read leaves what was there before. True: a plan
    /// is needed.
    func reload(applied: (_ name: String) -> Void, failed: (_ name: String, _ reason: String) -> Void) -> Bool {
        ticks += 1
        guard ticks >= GenericSecrets.ticksPerLook else { return false }
        ticks = 0
        var isChanged = false
        for slot in bySlot.keys.sorted() {
            guard var entry = bySlot[slot] else { continue }
            // Both are looked at.
            if [entry.response.areDue(), entry.files.areDue()].contains(true) {
                do throws(DiscoveryRefusal) {
                    texts[slot] = PlanText(try read(&entry))
                    isChanged = true
                    applied("the secret '\(entry.name)'")
                } catch {
                    failed("the secret '\(entry.name)'", error.reason)
                }
            }
            bySlot[slot] = entry
        }
        return isChanged
    }

    /// What it is by now, with the files that were looked at for it.
    private func read(_ entry: inout Entry) throws(DiscoveryRefusal) -> [UInt8] {
        if case .file(let path, _, let scope) = entry.origin, entry.response.areOthers || entry.kept == nil { return try read(&entry, path, scope) }
        let secret: TLSSecret? = if case .server(let secret) = entry.origin { secret.current } else { entry.kept?.message }
        guard let secret else { return [] }
        var files = LookedAtFiles()
        defer { entry.files = files }
        return try GenericSecrets.value(secret, &files)
    }

    /// A discovery response, counted as Envoy does.
    private func read(_ entry: inout Entry, _ path: String, _ scope: StatScope<SubscriptionStat>) throws(DiscoveryRefusal) -> [UInt8] {
        let cells = stats.mainCells
        cells.increment(scope[.updateAttempt])
        entry.response = LookedAtFiles()
        entry.response.add(path)
        let response: DiscoveryResponseMessage
        do throws(DiscoveryRefusal) { response = try SecretReader.response(path) } catch {
            cells.increment(scope[.updateFailure])
            throw error
        }
        do throws(DiscoveryRefusal) {
            let secret = try SecretReader.read(response, entry.name)
            var files = LookedAtFiles()
            // What serves is looked at; before there is any, what may come.
            let isFirst = entry.kept == nil
            defer { if isFirst { entry.files = files } }
            let value = try GenericSecrets.value(secret, &files)
            entry.files = files
            let now = Clock.wallNs()
            cells.increment(scope[.updateSuccess])
            cells.set(scope[.updateTime], now / 1_000_000)
            stats.setText(scope[.versionText], response.versionInfo)
            stats.set(scope[.version], wide: Array(response.versionInfo.utf8).withBytes { XXHash64.hash($0) })
            entry.kept = KeptMessage(secret)
            entry.shown = DynamicSecret(secret, version: response.versionInfo, updatedNs: now, as: .generic)
            return value
        } catch {
            cells.increment(scope[.updateRejected])
            throw error
        }
    }

    /// One of another kind is as one that is empty.
    private static func value(_ secret: TLSSecret, _ files: inout LookedAtFiles) throws(DiscoveryRefusal) -> [UInt8] {
        let value: [UInt8]
        switch secret.genericSecret.secret.specifier {
        case .inlineString(let text): value = Array(text.utf8)
        case .inlineBytes(let bytes): value = Array(bytes)
        case .filename(let path):
            files.add(path)
            do throws(FileContents.Failure) { value = try FileContents.read(path, bytesMax: PlanTexts.bytesMax) } catch {
                throw DiscoveryRefusal(reason: "Invalid path: \(path) (\(error.reason))")
            }
        case .environmentVariable(let name):
            guard let found = unsafe getenv(name) else { throw DiscoveryRefusal(reason: "Environment variable doesn't exist: \(name)") }
            value = unsafe Array(UnsafeRawBufferPointer(start: found, count: strlen(found)))
        case .none: value = []
        }
        guard value.count <= PlanTexts.bytesMax else { throw DiscoveryRefusal(reason: "the secret '\(secret.name)' is longer than \(PlanTexts.bytesMax) bytes") }
        return value
    }
}

/// Files that something was read from, or could not be, looked at in turn: it is tried again when they have changed and then
/// stayed the same for a look.
private struct LookedAtFiles {
    /// By path: what it was before it was read.
    private var identities: [String: [Int]] = [:]
    private var settling: [String: [Int]]?

    /// Nobody has read them as they are now.
    var areOthers: Bool { identities.isEmpty || now != identities }

    private var now: [String: [Int]] {
        var now: [String: [Int]] = [:]
        for path in identities.keys { now[path] = FileWatch.identity(path) }
        return now
    }

    /// It is about to be read.
    mutating func add(_ path: String) { identities[path] = FileWatch.identity(path) }

    mutating func areDue() -> Bool {
        let now = now
        guard now != identities else {
            settling = nil
            return false
        }
        guard settling == now else {
            settling = now
            return false
        }
        return true
    }
}
