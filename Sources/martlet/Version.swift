// What this build is.

enum Version {
    /// In Envoy's shape: `<commit>/<version>/<state>/<build>/<TLS library>`.
    static let text = "0000000000000000000000000000000000000000/0.1.0/Clean/RELEASE/OpenSSL"
}
