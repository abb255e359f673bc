// JA3 and JA4 of a client's hello (`%TLS_JA3_FINGERPRINT%`, `%TLS_JA4_FINGERPRINT%`), as bytes: their text is made when a log
// asks for it.

import COpenSSL
import Primitives
import Wire

@safe
package struct HelloDigests: BitwiseCopyable {
    private var hasJA3 = false
    private var hasJA4 = false
    private var ja3 = (UInt64(0), UInt64(0))
    /// `t13d1516h2` and six bytes that are not used.
    private var head = (UInt64(0), UInt64(0))
    /// The first six bytes of a SHA-256 each; 0: there was nothing to digest.
    private var ciphers = UInt64(0)
    private var extensions = UInt64(0)

    /// `scratch`: `HelloFingerprint.textMax` bytes.
    mutating func take(
        _ hello: HelloFingerprint, ja3 wantsJA3: Bool, ja4 wantsJA4: Bool, scratch: UnsafeMutablePointer<UInt8>
    ) {
        if wantsJA3 {
            let count = unsafe hello.ja3(into: scratch)
            unsafe withUnsafeMutableBytes(of: &ja3) { digest in
                guard let out = digest.baseAddress else { return }
                hasJA3 = unsafe martlet_md5(scratch, count, out.assumingMemoryBound(to: UInt8.self)) == 1
            }
        }
        guard wantsJA4 else { return }
        hasJA4 = true
        unsafe withUnsafeMutableBytes(of: &head) { head in
            guard let out = head.baseAddress else { return }
            unsafe hello.ja4Head(into: out.assumingMemoryBound(to: UInt8.self))
        }
        ciphers = unsafe HelloDigests.digest(scratch, hello.ja4Ciphers(into: scratch))
        extensions = unsafe HelloDigests.digest(scratch, hello.ja4Extensions(into: scratch))
    }

    private static func digest(_ text: UnsafeMutablePointer<UInt8>, _ count: Int) -> UInt64 {
        guard count > 0 else { return 0 }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { buffer in
            guard let out = buffer.baseAddress, unsafe martlet_sha256(text, count, out) == 1 else { return 0 }
            return unsafe UInt64(bigEndian: UnsafeRawPointer(out).loadUnaligned(as: UInt64.self)) >> 16
        }
    }

    func write(isJA4: Bool, into text: inout TextBuffer) {
        if !isJA4 {
            guard hasJA3 else { return }
            text.put(hex: UInt64(bigEndian: ja3.0), width: 16)
            text.put(hex: UInt64(bigEndian: ja3.1), width: 16)
            return
        }
        guard hasJA4 else { return }
        var head = head
        unsafe withUnsafeBytes(of: &head) { head in
            if let base = head.baseAddress { unsafe text.put(Bytes(base, 10)) }
        }
        text.put(UInt8(ascii: "_"))
        text.put(hex: ciphers, width: 12)
        text.put(UInt8(ascii: "_"))
        text.put(hex: extensions, width: 12)
    }
}

extension Worker {
    /// `message`: the hello as `ClientHello.read` has left it, with its type and length.
    func fingerprint(
        _ inspection: UnsafeMutablePointer<Inspection>, _ inspector: TLSInspectorConfig, _ message: UnsafeMutablePointer<UInt8>
    ) {
        let length = unsafe Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3])
        guard length + 4 <= Worker.helloRoom,
            let hello = unsafe HelloFingerprint(Bytes(UnsafeRawPointer(message + 4), length))
        else { return }
        unsafe inspection.pointee.fingerprints.take(
            hello, ja3: inspector.makesJA3, ja4: inspector.makesJA4, scratch: inspectionScratch().assumingMemoryBound(to: UInt8.self))
    }
}
