/// Numbers of places in a table that each worker keeps: used again when their part is gone, so that the tables do not grow
/// with every change. A worker tells the owners of a number apart by the serial.
struct PlaceNumbers {
    private var last: UInt32
    private var free: [UInt32] = []
    private var lastSerial: UInt64 = 0

    init(after last: UInt32) { self.last = last }

    mutating func acquire() -> (number: UInt32, serial: UInt64) {
        lastSerial += 1
        if let number = free.popLast() { return (number, lastSerial) }
        last += 1
        return (last, lastSerial)
    }

    mutating func release(_ number: UInt32) { free.append(number) }
}
