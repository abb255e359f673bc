// The runtime's values where workers can read them: one cell per key that the configuration names.
//
// Main thread only, but for the cells themselves. A cell lives as long as some plan part names its key; who compiles asks
// for it (`acquire`), the part gives it back at its end. `adopt` writes what the layers say now into every cell.

import Glibc
import Primitives

@safe
package final class RuntimeTable {
    /// Cells of one piece of memory, which is theirs alone: what main writes here takes no other line from a worker.
    private static let chunkCells = 64

    private struct Entry {
        let cell: RuntimeCell
        var users: Int
    }
    private var entries: [String: Entry] = [:]
    private var values: [String: RuntimeValue] = [:]
    private var free: [RuntimeCell] = []
    private var chunks: [UnsafeMutableRawPointer] = unsafe []

    package init() {}

    /// Parts hold the table by what they do at their end: none is left that has a cell.
    deinit { for unsafe chunk in unsafe chunks { unsafe Glibc.free(chunk) } }

    package var cellCount: Int { entries.count }

    /// Called when a value may have changed.
    package var changed: () -> Void = {}

    package func value(_ key: String) -> RuntimeValue { values[key] ?? .none }

    package func acquire(_ key: String) -> RuntimeCell {
        if let entry = entries[key] {
            entries[key]?.users += 1
            return entry.cell
        }
        if free.isEmpty { makeCells() }
        let cell = free.removeLast()
        cell.set(value(key))
        entries[key] = Entry(cell: cell, users: 1)
        return cell
    }

    package func release(_ key: String) {
        guard let entry = entries[key] else { return }
        if entry.users > 1 {
            entries[key]?.users -= 1
        } else {
            entries[key] = nil
            free.append(entry.cell)
        }
    }

    /// Envoy's feature flags are true or false; every other key that is read here is a number.
    private static func value(_ key: String, _ text: String) -> RuntimeValue {
        if key.hasPrefix("envoy.reloadable_features."), text == "true" || text == "false" { return .integer(text == "true" ? 1 : 0) }
        return RuntimeText.value(text)
    }

    package func adopt(_ runtime: RuntimeValues) {
        values = [:]
        for entry in runtime.entries {
            let value = RuntimeTable.value(entry.key, entry.finalValue)
            if value != .none { values[entry.key] = value }
        }
        for (key, entry) in entries { entry.cell.set(value(key)) }
        changed()
    }

    private func makeCells() {
        var place: UnsafeMutableRawPointer?
        let bytes = RuntimeTable.chunkCells * MemoryLayout<UInt64>.stride
        guard unsafe posix_memalign(&place, 64, bytes) == 0, let memory = unsafe place else {
            fatalError("no memory for configuration")
        }
        unsafe chunks.append(memory)
        let words = unsafe memory.bindMemory(to: UInt64.self, capacity: RuntimeTable.chunkCells)
        unsafe words.initialize(repeating: 0, count: RuntimeTable.chunkCells)
        for i in 0..<RuntimeTable.chunkCells { free.append(unsafe RuntimeCell(words + i)) }
    }
}
