// The schemes that are spoken here (RFC 9110 §4.2).

import Primitives

package enum HTTPScheme: UInt8 {
    case http, https

    /// Nil: another one. Case does not matter (RFC 3986 §3.1).
    package init?(_ text: Bytes) {
        if text.equalsIgnoringCase(HTTPScheme.http.text) {
            self = .http
        } else if text.equalsIgnoringCase(HTTPScheme.https.text) {
            self = .https
        } else {
            return nil
        }
    }

    package init(isTLS: Bool) { self = isTLS ? .https : .http }

    package var text: Bytes { self == .https ? Bytes("https" as StaticString) : Bytes("http" as StaticString) }
}
