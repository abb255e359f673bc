// What OpenSSL has to say of a mistake, in one line.

import COpenSSL

enum OpenSSLErrors {
    /// The reasons on this thread's queue, the first one first; empties it.
    static func taken() -> String {
        var reasons: [String] = []
        while case let code = ERR_get_error(), code != 0 {
            guard let text = unsafe ERR_reason_error_string(code) else { continue }
            let reason = unsafe String(cString: text)
            if !reasons.contains(reason) { reasons.append(reason) }
        }
        return reasons.isEmpty ? "unknown error" : reasons.joined(separator: ", ")
    }
}
