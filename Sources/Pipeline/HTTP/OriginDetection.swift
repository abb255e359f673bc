// `original_ip_detection_extensions`: who the client is, where proxies in front say it in ways of their own.

import Primitives
import Stats
import Transport
import Wire

package struct OriginDetection: BitwiseCopyable {
    /// `x-forwarded-for`, or a field that has one address.
    package enum Source: UInt8, BitwiseCopyable { case forwardedFor, field }

    package var source = Source.forwardedFor
    /// `xff_num_trusted_hops`
    package var trustedHops: UInt32 = 0
    /// `xff_trusted_cidrs`: the peer and those behind it are proxies of ours while their addresses are in here. Empty: hops count.
    package var trusted = FrozenArray<AddressRange>()
    package var skipsAppend = true
    package var field = Bytes.empty
    /// An address that the field says may be that of an internal client.
    package var fieldIsTrusted = false
    /// Answer to a request without an address in the field; 0: it goes on.
    package var refusedStatus: UInt16 = 0
    package init() {}
}

extension Worker {
    /// Sets the client's address, as the first of the extensions that has one says. Whether the client may be an internal one;
    /// nil: the request is refused, and answered.
    func detectOrigin(_ stream: StreamPointer) -> Bool? {
        let detections = unsafe stream.pointee.http.pointee.originDetections
        for i in 0..<detections.count {
            let detection = detections[i]
            let isForwardedOnce = unsafe isForwardedOnce(stream)
            var skipsAppend = detection.skipsAppend
            let client: SocketAddress?
            switch detection.source {
            case .field:
                client = unsafe stream.pointee.request.value(named: detection.field).flatMap { SocketAddress(numeric: $0) }
                if client == nil, detection.refusedStatus != 0 {
                    unsafe count(stream.pointee.http.pointee.stats, .downstreamRqRejectedViaIpDetection)
                    unsafe reply(
                        stream, status: detection.refusedStatus, body: .empty,
                        details: Bytes("rejecting_because_detection_failed" as StaticString), flags: [])
                    return nil
                }
            case .forwardedFor where detection.trusted.isEmpty:
                client = unsafe forwardedFor(stream, fromRight: Int(detection.trustedHops))
            case .forwardedFor:
                let isOurs = unsafe detection.trusted.contains(stream.pointee.directRemoteAddress)
                client = unsafe isOurs ? firstUntrusted(stream, detection.trusted) : nil
                // Whoever comes from elsewhere is told of to those behind.
                if !isOurs { skipsAppend = false }
            }
            // The next one sees it (Envoy).
            if !skipsAppend { unsafe appendPeer(stream) }
            guard let client else { continue }
            unsafe stream.pointee.remoteAddress = client
            return detection.source == .field ? detection.fieldIsTrusted : isForwardedOnce
        }
        return false
    }

    /// Of a longer `x-forwarded-for` `xff_trusted_cidrs` take no address.
    package static let forwardedAddressesMax = 20

    /// The address in `x-forwarded-for`, from the right, that is none of our proxies'; that of all of them is the first one. Nil: it
    /// is no address, or there are more of them than anybody looks at (Envoy).
    private func firstUntrusted(_ stream: StreamPointer, _ trusted: FrozenArray<AddressRange>) -> SocketAddress? {
        guard let value = unsafe stream.pointee.request.value(of: .xForwardedFor) else { return nil }
        var all = PartsFromRight(value)
        var count = 0
        while let part = all.next() { count &+= part.isEmpty ? 0 : 1 }
        guard count <= Worker.forwardedAddressesMax else { return nil }
        var parts = PartsFromRight(value)
        while let part = parts.next() {
            guard let address = SocketAddress(numeric: part) else { return nil }
            if parts.isAtEnd || !trusted.contains(address) { return address }
        }
        return nil
    }
}

/// What stands between commas, from the right, without white space around it. Of an empty text: one that is empty.
package struct PartsFromRight {
    private let value: Bytes
    /// -1: behind the first one.
    private var end: Int

    package init(_ value: Bytes) {
        self.value = value
        end = value.count
    }

    package var isAtEnd: Bool { end < 0 }

    package mutating func next() -> Bytes? {
        guard !isAtEnd else { return nil }
        var start = end
        while start > 0, value[start &- 1] != UInt8(ascii: ",") { start &-= 1 }
        defer { end = start &- 1 }
        return value.part(start, end).trimmed
    }
}
