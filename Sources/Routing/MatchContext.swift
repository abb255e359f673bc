// What a match may ask beside the request head. Trivial; the Pipeline fills one per match on its stack.
//
// The callback is a C function with an opaque pointer so that a match holds no closure and counts no reference.

@safe
package struct MatchContext {
    package struct Flags: OptionSet {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// `x-forwarded-proto` is `https`: what `require_tls` asks (Envoy asks the header, not the connection).
        package static let forwardedHTTPS = Flags(rawValue: 1)
        /// `x-envoy-internal: true`.
        package static let internalRequest = Flags(rawValue: 2)
        package static let certificatePresented = Flags(rawValue: 4)
        package static let certificateValidated = Flags(rawValue: 8)
    }

    /// (opaque, number given in `RouteMatchSpec.external`) → holds.
    package typealias External = @convention(c) (UnsafeRawPointer?, UInt32) -> Bool

    /// The stream's one random value.
    package var random: UInt64
    package var flags: Flags
    /// Handed to the callback; alive until `match` returns.
    package var opaque: UnsafeRawPointer?
    /// Nil: no external matcher holds.
    package var external: External?

    package init(random: UInt64 = 0, flags: Flags = []) {
        self.random = random
        self.flags = flags
        unsafe opaque = nil
        unsafe external = nil
    }
}
