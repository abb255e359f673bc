// `google.api.http`, the option of a method that says how HTTP reaches it. The option is an extension, so it lies in the
// options' unknown fields.

import EnvoyAPI

struct HTTPRule {
    static let extensionNumber: UInt32 = 72_295_728

    var method = ""
    var path = ""
    var body = ""
    var responseBody = ""
    var additional: [HTTPRule] = []

    /// The rule of a method; nil: it has none, or one that is no message.
    init?(_ options: Google_Protobuf_MethodOptions) {
        let bytes = [UInt8](options.unknownFields.data)
        var reader = ProtoWireReader(bytes[...])
        var found: [UInt8]?
        while !reader.isAtEnd {
            guard let (number, wireType) = reader.tag() else { return nil }
            if number == HTTPRule.extensionNumber, wireType == 2 {
                guard let part = reader.delimited() else { return nil }
                found = (found ?? []) + part
            } else if !reader.skip(wireType) {
                return nil
            }
        }
        guard let found else { return nil }
        self.init(found[...])
    }

    private init?(_ bytes: ArraySlice<UInt8>) {
        var reader = ProtoWireReader(bytes)
        while !reader.isAtEnd {
            guard let (number, wireType) = reader.tag() else { return nil }
            guard wireType == 2 else {
                guard reader.skip(wireType) else { return nil }
                continue
            }
            guard let part = reader.delimited() else { return nil }
            let text = String(decoding: part, as: UTF8.self)
            switch number {
            case 2: (method, path) = ("GET", text)
            case 3: (method, path) = ("PUT", text)
            case 4: (method, path) = ("POST", text)
            case 5: (method, path) = ("DELETE", text)
            case 6: (method, path) = ("PATCH", text)
            case 7: body = text
            case 8: guard readCustom(part) else { return nil }
            case 11:
                guard let rule = HTTPRule(part) else { return nil }
                additional.append(rule)
            case 12: responseBody = text
            default: break
            }
        }
    }

    init(method: String, path: String, body: String) {
        self.method = method
        self.path = path
        self.body = body
    }

    private mutating func readCustom(_ bytes: ArraySlice<UInt8>) -> Bool {
        var reader = ProtoWireReader(bytes)
        while !reader.isAtEnd {
            guard let (number, wireType) = reader.tag(), wireType == 2, let part = reader.delimited() else { return false }
            let text = String(decoding: part, as: UTF8.self)
            if number == 1 { method = text } else if number == 2 { path = text }
        }
        return true
    }
}
