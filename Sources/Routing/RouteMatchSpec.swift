// The conditions of one route: Envoy's `RouteMatch`. All of them must hold.

package struct RouteMatchSpec: Sendable {
    package enum Path: Sendable, Equatable {
        case prefix(String)
        case exact(String)
        /// `path_separated_prefix`: a prefix that ends at a `/` or at the path's end.
        case separatedPrefix(String)
        /// `safe_regex`: RE2, the whole path without its query.
        case regex(String)
        /// `path_match_policy` with `uri_template`.
        case template(String)
        /// `connect_matcher`: CONNECT requests only.
        case connect
    }

    package var path: Path
    /// Has no effect on `regex` and `template`, as in Envoy.
    package var caseSensitive = true
    package var runtimeFraction: RuntimeFraction?
    package var headers: [HeaderMatchSpec] = []
    package var queryParameters: [QueryParameterMatchSpec] = []
    package var cookies: [CookieMatchSpec] = []
    /// `grpc`: content-type `application/grpc` or `application/grpc+…`.
    package var grpcOnly = false
    /// `tls_context.presented` and `.validated`; nil: not asked.
    package var certificatePresented: Bool?
    package var certificateValidated: Bool?
    /// Matchers that only the caller can answer (`dynamic_metadata`, `filter_state`): numbers that mean something to
    /// `MatchContext.external`. Each must answer true.
    package var external: [UInt32] = []

    package init(_ path: Path) { self.path = path }
}

package struct StringMatchSpec: Sendable {
    package enum Kind: Sendable, Equatable {
        case exact(String), prefix(String), suffix(String), contains(String)
        /// RE2, the whole value.
        case regex(String)
    }
    package var kind: Kind
    /// ASCII letters only; has no effect on `regex`.
    package var ignoreCase = false

    package init(_ kind: Kind, ignoreCase: Bool = false) {
        self.kind = kind
        self.ignoreCase = ignoreCase
    }
}

package struct HeaderMatchSpec: Sendable {
    package enum Value: Sendable {
        /// `present_match`. A matcher without a condition is `present(true)`, and so is the old `exact_match: ""`
        /// (a `string_match` with an empty `exact` is not: it wants an empty value).
        case present(Bool)
        case string(StringMatchSpec)
        /// `range_match`: start ≤ value < end.
        case range(Int64, Int64)
    }
    /// Any case. `:path`, `:method`, `:authority` (`host` means the same) and `:scheme` are pseudo-headers.
    package var name: String
    package var value: Value
    package var invert = false
    package var treatMissingAsEmpty = false

    package init(_ name: String, _ value: Value, invert: Bool = false, treatMissingAsEmpty: Bool = false) {
        self.name = name
        self.value = value
        self.invert = invert
        self.treatMissingAsEmpty = treatMissingAsEmpty
    }
}

package struct QueryParameterMatchSpec: Sendable {
    package enum Value: Sendable {
        case present(Bool)
        case string(StringMatchSpec)
    }
    package var name: String
    package var value: Value

    package init(_ name: String, _ value: Value) {
        self.name = name
        self.value = value
    }
}

package struct CookieMatchSpec: Sendable {
    package var name: String
    package var value: StringMatchSpec
    package var invert = false

    package init(_ name: String, _ value: StringMatchSpec, invert: Bool = false) {
        self.name = name
        self.value = value
        self.invert = invert
    }
}
