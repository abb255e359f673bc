// What must always hold of the PROXY header's reader, checked by the fuzzer and, over its corpus, by WireTests:
// - nothing is read outside of the bytes (the address sanitizer says),
// - it does not matter in what pieces a header comes: what is decided stays so, and before the bytes that were asked for
//   are there nothing is,
// - what is found lies inside, and reads back the same when our own writer has written it.

import Primitives
import Wire

enum ProxyHeaderInvariants {
    private enum Outcome: Equatable {
        case needMore, absent, disallowed, malformed
        case found(UInt8, Int, SocketAddress, SocketAddress, [UInt8])
    }

    /// Traps when one is broken.
    static func check(_ input: Bytes) {
        guard input.count > 0 else { return }
        var options = ProxyHeader.Options()
        options.allowsVersion1 = input[0] & 1 == 0
        options.allowsVersion2 = input[0] & 2 == 0
        options.mayBeAbsent = input[0] & 4 != 0
        let bytes = input.from(1)
        var decided: Outcome?
        var wanted = 0
        // All that may matter of version 1; of version 2 what is around its length.
        for count in 0...bytes.count where count < 160 || count > bytes.count - 40 {
            let (now, more) = outcome(bytes.prefix(count), options)
            if let decided, decided != now { fatalError("\(decided), then \(now) after \(count) bytes") }
            if now == .needMore {
                wanted = max(wanted, more)
            } else {
                if count < wanted { fatalError("\(wanted) bytes were wanted, and \(count) were enough") }
                decided = now
            }
        }
        if case .found(let version, let length, let source, let destination, let tlvs) = decided {
            if length > bytes.count || version == 1 && length > ProxyHeader.version1Max { fatalError("a header of \(length) bytes") }
            if source.family != destination.family { fatalError("two families") }
            writeAgain(source, destination, tlvs)
        }
    }

    /// From memory of its own, so that not a byte beyond is there.
    private static func outcome(_ bytes: Bytes, _ options: ProxyHeader.Options) -> (Outcome, Int) {
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
        defer { unsafe copy.deallocate() }
        for i in 0..<bytes.count { unsafe copy[i] = bytes[i] }
        switch unsafe ProxyHeader.read(Bytes(UnsafeRawPointer(copy), bytes.count), options) {
        case .needMore(let count):
            if count <= bytes.count || count > ProxyHeader.bytesMax { fatalError("\(bytes.count) bytes, \(count) wanted") }
            return (.needMore, count)
        case .absent: return (.absent, 0)
        case .disallowed(let version):
            if version == 1 ? options.allowsVersion1 : options.allowsVersion2 { fatalError("a version that is allowed") }
            return (.disallowed, 0)
        case .malformed: return (.malformed, 0)
        case .found(let facts):
            let tlvs = (0..<facts.tlvs.count).map { facts.tlvs[$0] }
            checkTLVs(facts.tlvs)
            return (.found(facts.version, facts.length, facts.source, facts.destination, tlvs), 0)
        }
    }

    private static func checkTLVs(_ tlvs: Bytes) {
        var list = ProxyTLVs(tlvs)
        var count = 0
        while let entry = list.next() {
            count += entry.whole.count
            if ProxyTLVs.find(entry.type, in: tlvs, last: true) == nil { fatalError("a TLV that is not found") }
            if entry.value.count + 3 != entry.whole.count { fatalError("a TLV of the wrong size") }
        }
        if count != tlvs.count { fatalError("\(tlvs.count) bytes of TLVs, \(count) read") }
    }

    private static func writeAgain(_ source: SocketAddress, _ destination: SocketAddress, _ tlvs: [UInt8]) {
        let out = UnsafeMutablePointer<UInt8>.allocate(capacity: ProxyHeaderWriter.bound(tlvs: tlvs.count))
        defer { unsafe out.deallocate() }
        let first = unsafe ProxyHeaderWriter.version1(from: source, to: destination, into: out)
        unsafe expect(source, destination, [], Bytes(UnsafeRawPointer(out), first))
        guard var second = unsafe ProxyHeaderWriter.version2(from: source, to: destination, tlvs: tlvs.count, into: out) else {
            return
        }
        for byte in tlvs {
            unsafe out[second] = byte
            second += 1
        }
        unsafe expect(source, destination, tlvs, Bytes(UnsafeRawPointer(out), second))
    }

    private static func expect(_ source: SocketAddress, _ destination: SocketAddress, _ tlvs: [UInt8], _ bytes: Bytes) {
        guard case (.found(_, bytes.count, let from, let to, let found), _) = outcome(bytes, ProxyHeader.Options()), from == source,
            to == destination, found == tlvs
        else { fatalError("our own header reads otherwise: \(source), \(destination)") }
    }
}
