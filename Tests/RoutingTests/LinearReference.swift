// An obviously correct matcher over the specification: every domain, every route, every condition in turn. What the
// frozen table answers must equal this.
//
// Regexes are RE2's on both sides, but here the whole pattern on the whole path: the table's cutting and filing is what
// is under test, not RE2.

import Primitives
import Routing

final class LinearReference {
    private let spec: RouteTableSpec
    private var programs: [String: RegexProgram] = [:]

    init(_ spec: RouteTableSpec) { self.spec = spec }

    deinit { for program in programs.values { program.destroy() } }

    /// (virtual host, route); nil where nothing matches.
    func match(_ request: TestRequest, random: UInt64) -> (host: Int?, route: Int?) {
        guard let host = virtualHost(request) else { return (nil, nil) }
        let route = spec.virtualHosts[host].routes.firstIndex { matches($0, request, random) }
        return (host, route)
    }

    private func virtualHost(_ request: TestRequest) -> Int? {
        if spec.virtualHosts.allSatisfy({ $0.domains.allSatisfy { $0 == "*" } }) {
            return spec.virtualHosts.firstIndex { !$0.domains.isEmpty }
        }
        if request.authority.isEmpty { return nil }
        var host = request.authority.asciiLowercased
        if spec.ignorePortInHost, let colon = host.lastIndex(of: ":"), !host[colon...].contains("]") {
            host = String(host[..<colon])
        }
        var best: (rank: Int, index: Int)?
        for (index, virtualHost) in spec.virtualHosts.enumerated() {
            for domain in virtualHost.domains.map(\.asciiLowercased) {
                var rank: Int?
                if domain == "*" {
                    rank = 0
                } else if domain.hasPrefix("*") {
                    let suffix = domain.dropFirst()
                    if host.count > suffix.count, host.hasSuffix(suffix) { rank = 100_000 + suffix.count }
                } else if domain.hasSuffix("*") {
                    let prefix = domain.dropLast()
                    if host.count > prefix.count, host.hasPrefix(prefix) { rank = 1 + prefix.count }
                } else if domain == host {
                    rank = 1_000_000
                }
                if let rank, rank > (best?.rank ?? -1) { best = (rank, index) }
            }
        }
        return best?.index
    }

    private func matches(_ match: RouteMatchSpec, _ request: TestRequest, _ random: UInt64) -> Bool {
        var path = request.path
        if let cut = path.firstIndex(where: { $0 == "?" || $0 == "#" }) { path = String(path[..<cut]) }
        if spec.ignorePathParameters {
            path = path.split(separator: "/", omittingEmptySubsequences: false)
                .map { $0.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)[0] }.joined(separator: "/")
        }
        func fold(_ string: String) -> String { match.caseSensitive ? string : string.asciiLowercased }
        let hasPath = !request.path.isEmpty

        switch match.path {
        case .prefix(let prefix):
            guard hasPath, fold(path).hasPrefix(fold(prefix)) else { return false }
        case .exact(let exact):
            guard hasPath, fold(path) == fold(exact) else { return false }
        case .separatedPrefix(let prefix):
            guard hasPath, fold(path) == fold(prefix) || fold(path).hasPrefix(fold(prefix) + "/") else { return false }
        case .regex(let pattern):
            guard hasPath, regex(pattern, path) else { return false }
        case .template:
            fatalError("templates have tests of their own")
        case .connect:
            guard request.method == "CONNECT" else { return false }
        }
        if let fraction = match.runtimeFraction,
            random % UInt64(fraction.standard.denominator) >= UInt64(fraction.standard.numerator)
        {
            return false
        }
        if match.grpcOnly {
            guard hasPath, let type = header("content-type", request).first, type == "application/grpc" || type.hasPrefix("application/grpc+") else {
                return false
            }
        }
        return match.headers.allSatisfy { holds($0, request) }
            && match.queryParameters.allSatisfy { holds($0, request) }
            && match.cookies.allSatisfy { holds($0, request) }
    }

    private func header(_ name: String, _ request: TestRequest) -> [String] {
        switch name.asciiLowercased {
        case ":path": return request.path.isEmpty ? [] : [request.path]
        case ":method": return [request.method]
        case ":authority", "host": return request.authority.isEmpty ? [] : [request.authority]
        case ":scheme": return [request.scheme]
        default:
            let values = request.headers.filter { $0.0.asciiLowercased == name.asciiLowercased }.map(\.1)
            let isInline = ["user-agent", "x-request-id", "content-type"].contains(name.asciiLowercased)
            return isInline && !values.isEmpty ? [values.filter { !$0.isEmpty }.joined(separator: ",")] : values
        }
    }

    private func holds(_ spec: HeaderMatchSpec, _ request: TestRequest) -> Bool {
        var values = header(spec.name, request)
        if values.isEmpty, spec.treatMissingAsEmpty { values = [""] }
        switch spec.value {
        case .present(let present): return (!values.isEmpty == present) != spec.invert
        case .string(let string): return !values.isEmpty && values.contains { holds(string, $0) } != spec.invert
        case .range(let low, let high):
            let inside = values.contains { value in Int64(value).map { $0 >= low && $0 < high } ?? false }
            return !values.isEmpty && inside != spec.invert
        }
    }

    private func holds(_ spec: QueryParameterMatchSpec, _ request: TestRequest) -> Bool {
        var value: String?
        if let mark = request.path.firstIndex(of: "?") {
            let query = request.path[request.path.index(after: mark)...]
            for pair in query.split(separator: "&", omittingEmptySubsequences: false) {
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                if parts[0] == spec.name, !(pair.isEmpty && spec.name.isEmpty) {
                    value = parts.count > 1 ? String(parts[1]) : ""
                    break
                }
            }
        }
        switch spec.value {
        case .present(let present): return (value != nil) == present
        case .string(let string): return value.map { holds(string, $0) } ?? false
        }
    }

    private func holds(_ spec: CookieMatchSpec, _ request: TestRequest) -> Bool {
        for (name, field) in request.headers where name.asciiLowercased == "cookie" {
            for pair in field.split(separator: ";") {
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2, parts[0].drop(while: { $0 == " " }) == spec.name else { continue }
                return holds(spec.value, String(parts[1])) != spec.invert
            }
        }
        return spec.invert
    }

    private func holds(_ spec: StringMatchSpec, _ value: String) -> Bool {
        func fold(_ string: String) -> String { spec.ignoreCase ? string.asciiLowercased : string }
        switch spec.kind {
        case .exact(let wanted): return fold(value) == fold(wanted)
        case .prefix(let wanted): return fold(value).hasPrefix(fold(wanted))
        case .suffix(let wanted): return fold(value).hasSuffix(fold(wanted))
        case .contains(let wanted): return contains(fold(value), fold(wanted))
        case .regex(let pattern): return regex(pattern, value)
        }
    }

    private func contains(_ value: String, _ wanted: String) -> Bool {
        wanted.isEmpty || value.indices.contains { value[$0...].hasPrefix(wanted) }
    }

    private func regex(_ pattern: String, _ value: String) -> Bool {
        if programs[pattern] == nil { programs[pattern] = try? RegexProgram(pattern) }
        guard let program = programs[pattern] else { fatalError("bad pattern in a test: \(pattern)") }
        return value.withBytes { program.matches($0) }
    }
}

extension String {
    /// Only ASCII letters have two cases in a path or a host.
    fileprivate var asciiLowercased: String { String(decoding: utf8.map(Bytes.lower), as: UTF8.self) }
}
