// Header values may still hold the operators of old: `%UPSTREAM_METADATA(["ns","key"])%`, `%DYNAMIC_METADATA(["ns","key"])%`,
// `%PER_REQUEST_STATE(key)%`. They become the operators of today before the value is compiled. Main thread.

package enum OldOperators {
    package static func replaced(in text: String) -> String {
        var text = text
        for name in ["UPSTREAM_METADATA", "DYNAMIC_METADATA"] {
            let open = Array("%\(name)([".utf8)
            var bytes = Array(text.utf8)
            while let start = firstIndex(of: open, in: bytes) {
                guard let close = firstIndex(of: Array("])%".utf8), in: bytes, from: start + open.count) else { break }
                let list = String(decoding: bytes[(start + open.count)..<close], as: UTF8.self)
                let parts = list.split(separator: ",").map { part in
                    String(part.drop { $0 == " " || $0 == "\"" || $0 == "\\" }.prefix { $0 != "\"" && $0 != "\\" })
                }
                bytes.replaceSubrange(start..<(close + 3), with: Array("%\(name)(\(parts.joined(separator: ":")))%".utf8))
            }
            text = String(decoding: bytes, as: UTF8.self)
        }
        return replace("%PER_REQUEST_STATE(", with: "%FILTER_STATE(", in: text)
    }

    private static func replace(_ old: String, with new: String, in text: String) -> String {
        var bytes = Array(text.utf8)
        while let start = firstIndex(of: Array(old.utf8), in: bytes) {
            bytes.replaceSubrange(start..<(start + old.utf8.count), with: Array(new.utf8))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func firstIndex(of needle: [UInt8], in bytes: [UInt8], from start: Int = 0) -> Int? {
        guard bytes.count >= needle.count else { return nil }
        for i in stride(from: start, through: bytes.count - needle.count, by: 1)
        where bytes[i] == needle[0] && Array(bytes[i..<(i + needle.count)]) == needle {
            return i
        }
        return nil
    }
}
