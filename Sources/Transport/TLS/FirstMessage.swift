// What a client of TLS says first, looked at before OpenSSL has it. OpenSSL would wait for a message of up to 131,396 bytes, and
// answer an alert with another one; here both end as with Envoy's library.
//
// A pure machine over the bytes as they come, one per connection; over when the length of the first message is known. Whatever
// else is wrong with it is OpenSSL's to say.

import Primitives

package struct FirstMessage: BitwiseCopyable {
    /// How large a message may be: as Envoy's library where no certificate is asked for, and where one is.
    package static let sizeMax = 16_384
    package static let sizeMaxWithCertificate = 102_400

    package enum Fault: Equatable, BitwiseCopyable {
        /// Longer than a message may be.
        case tooLarge
        /// Neither a handshake's record nor an alert's.
        case foreignRecord
        case malformedAlert, unknownAlertLevel
        /// The client has given up, with this alert.
        case alert(UInt8)
        /// It has said that it is done.
        case closed
    }

    /// RFC 5246 §6.2.3 and Envoy's library: a longer record is OpenSSL's to refuse.
    private static let recordMax = 16_384 + 320
    private static let alertRecord: UInt8 = 21
    private static let handshakeRecord: UInt8 = 22

    package private(set) var isAwaited: Bool
    private var headerBytes: UInt8 = 0
    private var type: UInt8 = 0
    private var recordLeft = 0
    /// Of the message, or of the alert.
    private var bytesSeen: UInt8 = 0
    private var length = 0

    /// `isAwaited`: false for who is a client itself.
    package init(isAwaited: Bool) { self.isAwaited = isAwaited }

    /// What is wrong with the bytes so far; nil: nothing.
    package mutating func received(_ bytes: Bytes, sizeMax: Int) -> Fault? {
        for i in 0..<bytes.count where isAwaited {
            let byte = bytes[i]
            let fault = headerBytes < 5 ? header(byte) : type == FirstMessage.alertRecord ? alert(byte) : message(byte, sizeMax)
            if let fault {
                isAwaited = false
                return fault
            }
        }
        return nil
    }

    /// RFC 8446 §5.1
    private mutating func header(_ byte: UInt8) -> Fault? {
        switch headerBytes {
        case 0: type = byte
        case 1: isAwaited = byte == 3
        case 3: recordLeft = Int(byte) << 8
        case 4: recordLeft |= Int(byte)
        default: break
        }
        headerBytes &+= 1
        guard isAwaited, headerBytes == 5 else { return nil }
        if recordLeft > FirstMessage.recordMax {
            isAwaited = false
        } else if type == FirstMessage.alertRecord {
            return recordLeft == 2 ? nil : .malformedAlert
        } else if type != FirstMessage.handshakeRecord {
            return .foreignRecord
        } else if recordLeft == 0 {
            headerBytes = 0
        }
        return nil
    }

    /// RFC 8446 §6
    private mutating func alert(_ byte: UInt8) -> Fault? {
        bytesSeen &+= 1
        if bytesSeen == 1 {
            length = Int(byte)
            return nil
        }
        isAwaited = false
        switch length {
        case 1: return byte == 0 ? .closed : nil
        case 2: return .alert(byte)
        default: return .unknownAlertLevel
        }
    }

    /// RFC 8446 §4: a type, and a length of three bytes.
    private mutating func message(_ byte: UInt8, _ sizeMax: Int) -> Fault? {
        if bytesSeen > 0 { length = length << 8 | Int(byte) }
        bytesSeen &+= 1
        recordLeft &-= 1
        if recordLeft == 0 { headerBytes = 0 }
        guard bytesSeen == 4 else { return nil }
        isAwaited = false
        return length > sizeMax ? .tooLarge : nil
    }
}
