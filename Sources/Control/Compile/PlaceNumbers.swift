import Pipeline
import Synchronization

/// Numbers of places in a table that each worker keeps: used again when their part is gone, so that the tables do not grow
/// with every change. A worker tells the owners of a number apart by the serial. In the process main alone compiles; tests do
/// so side by side.
final class PlaceNumbers: Sendable {
    static let exporters = PlaceNumbers(after: 0)
    static let filterChains = PlaceNumbers(after: CallConfig.filterChain)

    private struct State {
        var last: UInt32
        var free: [UInt32] = []
        var lastSerial: UInt64 = 0
    }

    private let state: Mutex<State>

    init(after last: UInt32) { state = Mutex(State(last: last)) }

    func acquire() -> (number: UInt32, serial: UInt64) {
        state.withLock { state in
            state.lastSerial += 1
            if let number = state.free.popLast() { return (number, state.lastSerial) }
            state.last += 1
            return (state.last, state.lastSerial)
        }
    }

    func release(_ number: UInt32) { state.withLock { $0.free.append(number) } }
}
