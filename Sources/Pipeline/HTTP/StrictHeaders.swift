// `strict_check_headers` of the router: `x-envoy-*` fields whose values must be readable, or the request is refused.

import Primitives
import Transport
import Wire

package struct StrictHeaders: OptionSet, BitwiseCopyable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    fileprivate static let count = 5

    /// The field of a bit.
    fileprivate static func id(_ bit: Int) -> HeaderID {
        switch bit {
        case 0: .xEnvoyUpstreamRqTimeoutMs
        case 1: .xEnvoyUpstreamRqPerTryTimeoutMs
        case 2: .xEnvoyMaxRetries
        case 3: .xEnvoyRetryOn
        default: .xEnvoyRetryGrpcOn
        }
    }

    /// Names as configured; others than these five do not get past the configuration's constraints.
    package init(names: [String]) {
        var bits: UInt8 = 0
        for i in 0..<StrictHeaders.count where names.contains("\(StrictHeaders.id(i).name)") { bits |= 1 << UInt8(i) }
        rawValue = bits
    }
}

extension Worker {
    /// False when the request has been answered.
    func checkStrictly(_ stream: StreamPointer) -> Bool {
        let strict = unsafe stream.pointee.router.pointee.strictHeaders
        for i in 0..<StrictHeaders.count where strict.rawValue & (1 << UInt8(i)) != 0 {
            let id = StrictHeaders.id(i)
            guard let value = unsafe stream.pointee.request.value(of: id), !isReadable(id, value) else { continue }
            unsafe refuse(stream, id, value)
            return false
        }
        return true
    }

    private func isReadable(_ id: HeaderID, _ value: Bytes) -> Bool {
        switch id {
        case .xEnvoyRetryOn: Worker.areConditions(value, RetryConfig.On.names)
        case .xEnvoyRetryGrpcOn: Worker.areConditions(value, RetryConfig.On.grpcNames)
        default: value.trimmed.decimal != nil
        }
    }

    private static func areConditions(_ words: Bytes, _ names: [(name: StaticString, on: RetryConfig.On)]) -> Bool {
        var list = TokenList(words)
        while let word = list.next() {
            guard names.contains(where: { word.equals(Bytes($0.name)) }) else { return false }
        }
        return true
    }

    private func refuse(_ stream: StreamPointer, _ id: HeaderID, _ value: Bytes) {
        let name = Bytes(id.name)
        let begin = Bytes("invalid header '" as StaticString)
        let middle = Bytes("' with value '" as StaticString)
        guard let block = memory.blocks.allocate(begin.count &+ name.count &+ middle.count &+ value.count &+ 1) else {
            return unsafe resetDownstream(stream)
        }
        let base = unsafe block.base.assumingMemoryBound(to: UInt8.self)
        var count = 0
        func put(_ part: Bytes) {
            unsafe (base + count).update(from: part.base, count: part.count)
            count &+= part.count
        }
        put(begin)
        put(name)
        put(middle)
        put(value)
        put(Bytes("'" as StaticString))
        // Details live as long as the stream: in the request's own memory.
        let prefix = Bytes("request_headers_failed_strict_check{" as StaticString)
        var details = prefix
        if let (span, to) = unsafe stream.pointee.request.extend(prefix.count &+ name.count &+ 1) {
            unsafe to.update(from: prefix.base, count: prefix.count)
            unsafe (to + prefix.count).update(from: name.base, count: name.count)
            unsafe to[prefix.count &+ name.count] = UInt8(ascii: "}")
            details = unsafe stream.pointee.request.text(span)
        }
        unsafe stream.pointee.closesDownstream = true
        unsafe stream.pointee.delaysClose = true
        unsafe reply(
            stream, status: 400, body: Bytes(UnsafeRawPointer(base), count), details: details,
            flags: .invalidEnvoyRequestHeaders)
        memory.blocks.free(block)
    }
}
