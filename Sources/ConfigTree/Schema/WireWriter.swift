/// Writes protobuf's wire format.
struct WireWriter {
    private(set) var bytes: [UInt8] = []

    mutating func varint(_ number: Int, _ value: UInt64) {
        tag(number, 0)
        append(value)
    }

    mutating func fixed64(_ number: Int, _ value: UInt64) {
        tag(number, 1)
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func fixed32(_ number: Int, _ value: UInt32) {
        tag(number, 5)
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func bytes(_ number: Int, _ value: some Collection<UInt8>) {
        tag(number, 2)
        append(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    private mutating func tag(_ number: Int, _ wire: UInt64) { append(UInt64(number) << 3 | wire) }

    private mutating func append(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
