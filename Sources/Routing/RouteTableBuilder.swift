// From specification to frozen table: checks everything, files every route, then packs the sections into one block.
//
// Runs on the main thread or its helper, never on a worker. All errors are found before any is reported.

import Primitives
import Wire

extension RouteTable {
    /// `seed`: a secret of the process, for the tables whose keys a peer's values are looked up in.
    package init(_ spec: RouteTableSpec, seed: UInt64) throws(RoutingErrors) {
        var builder = RouteTableBuilder(spec, seed: seed)
        builder.build()
        guard builder.errors.isEmpty else {
            builder.discard()
            throw RoutingErrors(list: builder.errors)
        }
        self = builder.frozen()
    }
}

struct RouteTableBuilder {
    let spec: RouteTableSpec
    let seed: UInt64
    var errors: [RoutingError] = []

    // The sections, in the table's own order.
    var text = TextBuilder()
    var virtualHosts: [VirtualHostRecord] = []
    var nodes: [TrieNode] = []
    var buckets: [BucketRecord] = []
    var lists: [UInt32] = []
    var groups: [HeaderGroupRecord] = []
    var slots: [HeaderSlotRecord] = []
    var regexSets: [RegexSetRecord] = []
    var routes: [RouteRecord] = []
    var conditions: [ConditionRecord] = []
    var headers: [HeaderMatchRecord] = []
    var queryParameters: [QueryParameterMatchRecord] = []
    var cookies: [CookieMatchRecord] = []
    var external: [UInt32] = []
    var programs: [RegexProgram] = []
    var sets: [RegexSet] = []
    var domains = DomainIndex()

    /// Equal patterns share a program.
    private var programOfPattern: [String: UInt32] = [:]
    private var validPatterns: Set<String> = []

    init(_ spec: RouteTableSpec, seed: UInt64) {
        self.spec = spec
        self.seed = seed
    }

    mutating func build() {
        for (index, host) in spec.virtualHosts.enumerated() {
            for (number, domain) in host.domains.enumerated() {
                if let message = domains.add(domain, virtualHost: UInt32(index), table: spec.name) {
                    errors.append(
                        RoutingError(
                            virtualHostIndex: index, routeIndex: nil, field: "domains[\(number)]", message: message))
                }
            }
            add(host, index)
        }
    }

    func discard() {
        for program in programs { program.destroy() }
        for set in sets { set.destroy() }
    }

    // MARK: Virtual hosts and their routes

    private mutating func add(_ host: VirtualHostSpec, _ hostIndex: Int) {
        let firstRoute = UInt32(routes.count)
        var filing = RouteFiling()
        for (routeIndex, match) in host.routes.enumerated() {
            let number = UInt32(routes.count)
            let place = Place(virtualHost: hostIndex, route: routeIndex)
            let path = compilePath(match, place)
            routes.append(
                RouteRecord(
                    kind: path.kind, literalCount: UInt32(path.literal.count), program: path.program,
                    conditions: compileConditions(match, place)))
            filing.add(number, path, match)
        }
        virtualHosts.append(
            filing.file(into: &self, firstRoute: firstRoute, requireTLS: host.requireTLS))
    }

    struct Place {
        var virtualHost: Int
        var route: Int
    }

    mutating func report(_ place: Place, _ field: String, _ message: String) {
        errors.append(
            RoutingError(
                virtualHostIndex: place.virtualHost, routeIndex: place.route, field: field, message: message))
    }

    /// How a route's path is filed and checked.
    struct CompiledPath {
        var kind: RoutePathKind
        var literal: [UInt8]
        var ignoreCase = false
        var program = noIndex
        /// For regexes: what `program` was made from.
        var pattern = ""
    }

    private mutating func compilePath(_ match: RouteMatchSpec, _ place: Place) -> CompiledPath {
        func literal(_ kind: RoutePathKind, _ string: String) -> CompiledPath {
            CompiledPath(
                kind: kind, literal: match.caseSensitive ? Array(string.utf8) : lowercased(string),
                ignoreCase: !match.caseSensitive)
        }
        switch match.path {
        case .prefix(let prefix): return literal(.prefix, prefix)
        case .exact(let path): return literal(.exact, path)
        case .separatedPrefix(let prefix): return literal(.separatedPrefix, prefix)
        case .connect: return CompiledPath(kind: .connect, literal: [])
        case .regex(let pattern): return compileRegex(pattern, place, "match.safe_regex")
        case .template(let template):
            do throws(URITemplate.Invalid) {
                return compileRegex(try URITemplate.pattern(template), place, "match.path_match_policy")
            } catch {
                report(place, "match.path_match_policy", error.message)
                return CompiledPath(kind: .connect, literal: [])
            }
        }
    }

    private mutating func compileRegex(_ pattern: String, _ place: Place, _ field: String) -> CompiledPath {
        guard validate(pattern, place, field) else { return CompiledPath(kind: .connect, literal: []) }
        let split = RegexLiteralPrefix(pattern)
        if split.rest.isEmpty { return CompiledPath(kind: .exact, literal: split.literal) }
        return CompiledPath(
            kind: .regex, literal: split.literal, program: program(split.rest, place, field), pattern: split.rest)
    }

    /// The pattern as written is what RE2 judges; what runs may be a part of it.
    private mutating func validate(_ pattern: String, _ place: Place, _ field: String) -> Bool {
        if validPatterns.contains(pattern) { return true }
        do throws(RegexProgram.Invalid) {
            try RegexProgram(pattern).destroy()
            validPatterns.insert(pattern)
            return true
        } catch {
            report(place, field, error.message)
            return false
        }
    }

    /// The number of the program for a pattern; `noIndex` after an error.
    mutating func program(_ pattern: String, _ place: Place, _ field: String) -> UInt32 {
        if let known = programOfPattern[pattern] { return known }
        do throws(RegexProgram.Invalid) {
            programs.append(try RegexProgram(pattern))
        } catch {
            report(place, field, error.message)
            return noIndex
        }
        let index = UInt32(programs.count - 1)
        programOfPattern[pattern] = index
        return index
    }
}
