// What a request's descriptors are by `rate_limits`: keys of the configuration, and values that are written into memory which
// the filter keeps, so that nothing is allocated per request.

import Glibc
import Primitives
import Routing
import Wire

/// One descriptor of a request. Owner: one filter of one worker. Good until the next `begin`.
@safe
package struct RateLimitDescriptor {
    private struct Entry: BitwiseCopyable {
        var key: Bytes
        var start: Int
        var end: Int
    }
    // Both grow to what the largest rule and the largest heads ask for (docs/limits.md).
    private var entries = UnsafeMutablePointer<Entry>.allocate(capacity: 4)
    private var entriesMax = 4
    private var text = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 1)
    private var textMax = 256
    package private(set) var count = 0

    package init() {}

    package func destroy() {
        unsafe entries.deallocate()
        unsafe text.deallocate()
    }

    /// A longer text, as an expression may write it, goes with the next request.
    private static let keptBytesMax = 1 << 16

    fileprivate mutating func begin() {
        count = 0
        guard textMax > RateLimitDescriptor.keptBytesMax else { return }
        unsafe text.deallocate()
        textMax = 256
        unsafe text = .allocate(byteCount: textMax, alignment: 1)
    }

    private var textCount: Int { unsafe count == 0 ? 0 : entries[count &- 1].end }

    // HOT: per message.
    /// `decoded`: `%41` becomes `A`.
    fileprivate mutating func add(_ key: Bytes, _ value: Bytes, decoded: Bool = false) {
        if count == entriesMax { growEntries() }
        let start = textCount
        if value.count > textMax &- start { growText(start &+ value.count) }
        var end = start
        if decoded {
            var i = 0
            while i < value.count {
                let byte = PercentCoding.byte(value, at: i)
                unsafe text.storeBytes(of: byte ?? value[i], toByteOffset: end, as: UInt8.self)
                i &+= byte == nil ? 1 : 3
                end &+= 1
            }
        } else if value.count > 0 {
            unsafe (text + start).copyMemory(from: value.base, byteCount: value.count)
            end &+= value.count
        }
        unsafe entries[count] = Entry(key: key, start: start, end: end)
        count &+= 1
    }

    @inline(never)
    private mutating func growEntries() {
        let larger = UnsafeMutablePointer<Entry>.allocate(capacity: entriesMax &* 2)
        unsafe larger.update(from: entries, count: count)
        unsafe entries.deallocate()
        unsafe entries = unsafe larger
        entriesMax &*= 2
    }

    @inline(never)
    private mutating func growText(_ wanted: Int) {
        let most = max(wanted, textMax &* 2)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: most, alignment: 1)
        unsafe larger.copyMemory(from: text, byteCount: textCount)
        unsafe text.deallocate()
        unsafe text = unsafe larger
        textMax = most
    }

    private func value(_ index: Int) -> Bytes {
        let entry = unsafe entries[index]
        return unsafe Bytes(UnsafeRawPointer(text + entry.start), entry.end &- entry.start)
    }

    // HOT: per message.
    /// Whether it has these entries, keys and values in turn. An empty value stands for any.
    package func matches(_ wanted: FrozenArray<Bytes>) -> Bool {
        guard count &* 2 == wanted.count else { return false }
        for i in 0..<count {
            guard unsafe entries[i].key.equals(wanted[i &* 2]) else { return false }
            let wantedValue = wanted[i &* 2 &+ 1]
            guard wantedValue.isEmpty || wantedValue.equals(value(i)) else { return false }
        }
        return true
    }

    // HOT: per message.
    /// Keyed by a secret of the process: values are the client's.
    package func hash(with salt: UInt64) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(salt)
        for i in 0..<count {
            let text = value(i)
            hasher.combine(text.count)
            unsafe hasher.combine(bytes: UnsafeRawBufferPointer(start: text.base, count: text.count))
        }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}

extension RateLimitRule {
    // HOT: per message.
    /// Writes the request's descriptor by this rule; false: it has none.
    package func describe(_ descriptor: inout RateLimitDescriptor, _ worker: Worker, _ stream: StreamPointer) -> Bool {
        descriptor.begin()
        for i in 0..<actions.count {
            let action = unsafe actions.pointer(i)
            guard unsafe RateLimitRule.add(action, &descriptor, worker, stream) else { return false }
        }
        return descriptor.count > 0
    }

    /// False: the whole descriptor goes.
    private static func add(
        _ action: UnsafePointer<RateLimitAction>, _ descriptor: inout RateLimitDescriptor, _ worker: Worker, _ stream: StreamPointer
    ) -> Bool {
        let key = unsafe action.pointee.key
        let isKeptWithout = unsafe action.pointee.skipsAbsent
        switch unsafe action.pointee.kind {
        case .fixed: unsafe descriptor.add(key, action.pointee.value)
        case .header:
            guard let value = unsafe header(action.pointee.source, stream) else { return isKeptWithout }
            descriptor.add(key, value)
        case .queryParameter:
            let path = unsafe stream.pointee.request.text(stream.pointee.request.path)
            guard let mark = path.firstIndex(of: UInt8(ascii: "?")),
                let value = unsafe QueryParameters.value(of: action.pointee.source, in: path.from(mark &+ 1))
            else { return isKeptWithout }
            descriptor.add(key, value, decoded: true)
        case .destinationCluster:
            guard let name = unsafe worker.routeClusterName(stream) else { return false }
            descriptor.add(key, name)
        case .remoteAddress:
            let address = unsafe stream.pointee.remoteAddress
            guard isIP(address) else { return false }
            descriptor.add(key, worker.text(ip: address, bits: nil))
        case .maskedRemoteAddress:
            let address = unsafe stream.pointee.remoteAddress
            guard isIP(address) else { return false }
            let bits = unsafe address.family == .ipv4 ? action.pointee.v4Bits : action.pointee.v6Bits
            descriptor.add(key, worker.text(ip: address, bits: bits))
        case .remoteAddressMatch:
            let address = unsafe stream.pointee.remoteAddress
            guard isIP(address), unsafe isOf(action.pointee.networks, address) == action.pointee.expectsMatch else { return false }
            unsafe descriptor.add(key, action.pointee.value)
        case .routeMetadata: return unsafe add(action, stream.pointee.route?.pointee.metadata, &descriptor)
        case .clusterMetadata: return unsafe add(action, worker.routeClusterMetadata(stream), &descriptor)
        case .noMetadata: return unsafe add(action, nil, &descriptor)
        case .match:
            guard let predicate = unsafe action.pointee.predicate,
                unsafe predicate.matches(stream.pointee.request) == action.pointee.expectsMatch
            else { return false }
            unsafe descriptor.add(key, action.pointee.value)
        case .expression:
            guard let program = unsafe action.pointee.program, let value = unsafe worker.shown(program, stream) else { return isKeptWithout }
            descriptor.add(key, value)
        case .input:
            guard let value = unsafe worker.value(action.pointee.input, stream) else { return false }
            if !value.isEmpty { descriptor.add(key, value) }
        }
        return true
    }

    /// A text, or what stands for one that is not there; numbers and objects are none.
    private static func add(
        _ action: UnsafePointer<RateLimitAction>, _ metadata: FrozenMetadata?, _ descriptor: inout RateLimitDescriptor
    ) -> Bool {
        let entry = unsafe metadata?.entry(action.pointee.source)
        // A number with a fraction is shown as a text, and has another one for tags.
        let text = entry.map { $0.isText && $0.tag.equals($0.value) ? $0.value : .empty } ?? .empty
        let value = unsafe text.isEmpty ? action.pointee.fallback : text
        if value.isEmpty { return unsafe action.pointee.skipsAbsent }
        unsafe descriptor.add(action.pointee.key, value)
        return true
    }

    private static func isIP(_ address: SocketAddress) -> Bool { address.family == .ipv4 || address.family == .ipv6 }

    private static func isOf(_ networks: FrozenArray<AddressNetwork>, _ address: SocketAddress) -> Bool {
        for i in 0..<networks.count where networks[i].contains(address) { return true }
        return false
    }

    private static func header(_ name: Bytes, _ stream: StreamPointer) -> Bytes? {
        let head = unsafe stream.pointee.request
        if name[0] == UInt8(ascii: ":") {
            if name.equals(Bytes(":path" as StaticString)) { return head.text(head.path) }
            if name.equals(Bytes(":method" as StaticString)) { return head.text(head.methodText) }
            if name.equals(Bytes(":authority" as StaticString)) { return head.text(head.authority) }
            if name.equals(Bytes(":scheme" as StaticString)) { return head.schemeText }
            return nil
        }
        return head.value(named: name)
    }
}

/// Which of a route's and its virtual host's `rate_limits` a filter looks at (`vh_rate_limits`).
package enum HostRateLimits: UInt8, BitwiseCopyable { case override, include, ignore }

extension Worker {
    // HOT: per message.
    /// The `rate_limits` of the stream's route, and those of its virtual host as far as they count.
    package func routeRateLimits(
        _ option: HostRateLimits, _ stream: StreamPointer
    ) -> (own: FrozenArray<RateLimitRule>, host: FrozenArray<RateLimitRule>) {
        let none = FrozenArray<RateLimitRule>()
        guard let route = unsafe stream.pointee.route, unsafe route.pointee.action == .forward else { return (none, none) }
        let own = unsafe route.pointee.rateLimits
        let takesHost = unsafe route.pointee.includesHostRateLimits || option == .include || (option == .override && own.isEmpty)
        let hosts = unsafe stream.pointee.http.pointee.routes.pointee.virtualHosts
        let number = unsafe Int(route.pointee.virtualHost)
        guard takesHost, number < hosts.count else { return (own, none) }
        return (own, hosts[number].rateLimits)
    }
}
