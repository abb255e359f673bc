// Which listener has an address, for connections that `use_original_dst` hands over: the one of exactly this address, or
// else the one of its port on every address, as in Envoy.

import Primitives

@safe
package struct ListenerAddress: BitwiseCopyable {
    package var address: SocketAddress
    /// Place in `Plan.listeners`.
    package var listener: Int

    private init(_ address: SocketAddress, _ listener: Int) {
        self.address = address
        self.listener = listener
    }

    /// Family, port and the address itself, in an order that only has to be the same each time.
    private static func isBefore(_ a: SocketAddress, _ b: SocketAddress) -> Bool {
        (a.family.rawValue, a.port, a.high, a.low) < (b.family.rawValue, b.port, b.high, b.low)
    }

    /// Main: empty where no listener asks for it.
    fileprivate static func table(_ listeners: FrozenArray<ListenerSlot>, _ arena: FrozenArena) -> FrozenArray<ListenerAddress> {
        var entries: [ListenerAddress] = []
        var isWanted = false
        for i in 0..<listeners.count {
            let config = unsafe listeners[i].config
            if unsafe config.pointee.handsOff { isWanted = true }
            for j in unsafe 0..<config.pointee.addresses.count {
                let address = unsafe config.pointee.addresses[j].address
                if address.family != .unix { entries.append(ListenerAddress(address, i)) }
            }
        }
        return isWanted ? arena.array(entries.sorted { isBefore($0.address, $1.address) }) : FrozenArray()
    }

    // HOT: per connection.
    private static func place(_ address: SocketAddress, in table: FrozenArray<ListenerAddress>) -> Int? {
        var low = 0
        var high = table.count
        while low < high {
            let middle = (low &+ high) / 2
            if isBefore(table[middle].address, address) { low = middle &+ 1 } else { high = middle }
        }
        guard low < table.count, !isBefore(address, table[low].address) else { return nil }
        return table[low].listener
    }

    package static func find(_ address: SocketAddress, in table: FrozenArray<ListenerAddress>) -> Int? {
        if let listener = place(address, in: table) { return listener }
        var wildcard = address
        wildcard.high = 0
        wildcard.low = 0
        return place(wildcard, in: table)
    }
}

extension Plan {
    // HOT: per connection.
    /// The listener of an address; nil: there is none.
    func listener(of address: SocketAddress) -> ListenerSlot? {
        ListenerAddress.find(address, in: listenerAddresses).map { listeners[$0] }
    }

    /// Main, when all listeners are there.
    package mutating func indexListeners(_ arena: FrozenArena) {
        listenerAddresses = ListenerAddress.table(listeners, arena)
        guard !listenerAddresses.isEmpty else { return }
        var places: [Int] = []
        for i in 0..<listeners.count {
            let slot = unsafe Int(listeners[i].config.pointee.slot)
            while places.count <= slot { places.append(-1) }
            places[slot] = i
        }
        listenerPlaces = arena.array(places)
    }

    // HOT: per message.
    /// The configuration of a listener without sockets, by its slot.
    func unboundListener(_ slot: UInt32) -> UnsafePointer<ListenerConfig>? {
        guard Int(slot) < listenerPlaces.count, listenerPlaces[Int(slot)] >= 0, drain != .closing else { return nil }
        return unsafe listeners[listenerPlaces[Int(slot)]].config
    }
}
