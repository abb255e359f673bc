// `%XFCC_VALUE(URI)%`: one value out of `x-forwarded-client-cert`, as the header stands when the line is written.

import Primitives
import Wire

extension FormatWriter {
    // HOT: per field.
    /// The first pair of this name, in whichever element; none where quotes do not close.
    mutating func forwardedCertificate(_ key: Bytes, _ source: FormatSource) -> FormatValue {
        guard let header = unsafe source.stream?.pointee.request.value(of: .xForwardedClientCert) else { return .missing }
        var start = 0
        var isQuoted = false
        var found: FormatValue?
        var i = 0
        while i <= header.count {
            let byte = i < header.count ? header[i] : UInt8(ascii: ";")
            if i < header.count, byte == UInt8(ascii: "\\") && isQuoted {
                i &+= 2
                continue
            }
            if i < header.count, byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            if !isQuoted, byte == UInt8(ascii: ";") || byte == UInt8(ascii: ",") {
                if found == nil { found = pair(header.part(start, i), key) }
                start = i &+ 1
            }
            i &+= 1
        }
        return isQuoted ? .missing : found ?? .missing
    }

    /// The value of `name=value` or `name="value"`; nil: another name.
    private mutating func pair(_ text: Bytes, _ key: Bytes) -> FormatValue? {
        guard let equals = text.firstIndex(of: UInt8(ascii: "=")), text.prefix(equals).trimmed.equalsIgnoringCase(key) else { return nil }
        let raw = text.from(equals &+ 1).trimmed
        guard raw.count >= 2, raw[0] == UInt8(ascii: "\""), raw[raw.count &- 1] == UInt8(ascii: "\"") else { return .text(raw) }
        value.reset()
        var i = 1
        while i < raw.count &- 1 {
            if raw[i] == UInt8(ascii: "\\"), i &+ 1 < raw.count &- 1, raw[i &+ 1] == UInt8(ascii: "\"") { i &+= 1 }
            value.put(raw[i])
            i &+= 1
        }
        return .text(value.bytes)
    }
}
