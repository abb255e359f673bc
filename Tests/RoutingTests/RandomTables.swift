// Seeded random route tables, and requests that often meet them: small alphabets, so that prefixes overlap, paths repeat
// and header values collide.

import Routing

struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    // splitmix64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}

struct RandomTables {
    var random: SeededRandom
    private static let segments = ["a", "b", "A", "ab", "api", "API", "v1", "v2", "svc", "svc1", "svc12", "é", "1", "x.y"]
    private static let names = ["x-a", "X-B", "user-agent", "x-request-id", ":method", ":path", ":authority", "host", "x-c"]
    private static let values = ["1", "2", "12", "a", "A", "ab", "GET", "a.com", "", "x,y", "Ab1"]
    private static let domains = [
        "a.com", "b.com", "*.a.com", "*a.com", "x.a.com", "*.x.a.com", "a.*", "x.*", "x.a.*", "*", "*.com", "A.org",
        "[::1]", "a.com:80", "b.com:8080", "*-y.a.com", "x.b*",
    ]
    private static let hosts = [
        "a.com", "A.com", "b.com", "x.a.com", "y.x.a.com", "xa.com", ".a.com", "a.org", "a.", "x.a.org", "x.b.c",
        "[::1]", "[::1]:80", "a.com:80", "a.com:8080", "b.com:8080", "z-y.a.com", "", "q", "x.b",
    ]

    init(seed: UInt64) { random = SeededRandom(seed) }

    private mutating func one<T>(_ array: [T]) -> T { array[Int.random(in: 0..<array.count, using: &random)] }

    mutating func table() -> RouteTableSpec {
        var domains = RandomTables.domains.shuffled(using: &random)
        var hosts: [VirtualHostSpec] = []
        for i in 0..<Int.random(in: 1...5, using: &random) {
            var own: [String] = []
            for _ in 0..<Int.random(in: 1...3, using: &random) { if let domain = domains.popLast() { own.append(domain) } }
            let count = random.chance(20) ? Int.random(in: 0...200, using: &random) : Int.random(in: 0...30, using: &random)
            hosts.append(VirtualHostSpec(name: "v\(i)", domains: own, routes: (0..<count).map { _ in route() }))
        }
        // Mostly some virtual host is met, or routes would hardly be tested.
        if random.chance(70), !hosts.contains(where: { $0.domains.contains("*") }) { hosts[0].domains.append("*") }
        var spec = RouteTableSpec(name: "random", virtualHosts: hosts)
        spec.ignorePortInHost = random.chance(30)
        spec.ignorePathParameters = random.chance(30)
        return spec
    }

    private mutating func pathText() -> String {
        var path = ""
        for _ in 0..<Int.random(in: 0...4, using: &random) { path += "/" + one(RandomTables.segments) }
        if random.chance(30) { path += "/" }
        return path
    }

    private mutating func regexText() -> String {
        var pattern = random.chance(80) ? pathText().replacing("x.y", with: "x\\.y") : ""
        pattern += one([
            "", ".*", "/.*", "[0-9]+", "/[a-z]+/.*", "(/.*)?", "?", "+", "*", "|/b", "(?:/v1|/v2).*", "[^/]*", "/[^/]+/b",
            "/(a|b)(/.*)?", "\\d*", "{1,2}", "/[]|^]x", "$",
        ])
        if random.chance(10) { pattern = one(["(?i)", "^", "(", "\\b|"]) + pattern }
        if pattern.hasPrefix("(") && !pattern.hasPrefix("(?") { pattern += ")" }
        return (try? RegexProgram(pattern)).map { $0.destroy() } == nil ? ".*" : pattern
    }

    private mutating func string() -> StringMatchSpec {
        let value = one(RandomTables.values)
        let ignoreCase = random.chance(15)
        switch Int.random(in: 0..<9, using: &random) {
        case 0: return StringMatchSpec(.prefix(value), ignoreCase: ignoreCase)
        case 1: return StringMatchSpec(.suffix(value), ignoreCase: ignoreCase)
        case 2: return StringMatchSpec(.contains(value), ignoreCase: ignoreCase)
        case 3: return StringMatchSpec(.regex(one(["[0-9]+", "a.*", "A|1", "", "(?i)ab1?"])))
        default: return StringMatchSpec(.exact(value), ignoreCase: ignoreCase)
        }
    }

    private mutating func header() -> HeaderMatchSpec {
        let value: HeaderMatchSpec.Value =
            switch Int.random(in: 0..<10, using: &random) {
            case 0: .present(true)
            case 1: .present(false)
            case 2: .range(Int64.random(in: -2...3, using: &random), Int64.random(in: 0...14, using: &random))
            default: .string(string())
            }
        return HeaderMatchSpec(
            one(RandomTables.names), value, invert: random.chance(15), treatMissingAsEmpty: random.chance(15))
    }

    private mutating func route() -> RouteMatchSpec {
        var match: RouteMatchSpec
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<35: match = RouteMatchSpec(.prefix(pathText()))
        case 35..<60: match = RouteMatchSpec(.exact(pathText()))
        case 60..<72: match = RouteMatchSpec(.separatedPrefix("/" + one(RandomTables.segments) + pathText()))
        case 72..<97: match = RouteMatchSpec(.regex(regexText()))
        default: match = RouteMatchSpec(.connect)
        }
        match.caseSensitive = !random.chance(20)
        // Short prefixes without conditions would swallow everything behind them.
        let isGreedy = match.path == .prefix("") || match.path == .prefix("/") || match.path == .regex(".*")
        if isGreedy || random.chance(40) {
            for _ in 0..<Int.random(in: isGreedy ? 1...2 : 0...2, using: &random) { match.headers.append(header()) }
        }
        if random.chance(10) {
            match.queryParameters.append(
                QueryParameterMatchSpec(
                    one(["q", "r", ""]), random.chance(30) ? .present(random.chance(50)) : .string(string())))
        }
        if random.chance(5) { match.cookies.append(CookieMatchSpec(one(["c", "d"]), string(), invert: random.chance(30))) }
        if random.chance(5) {
            match.runtimeFraction = RuntimeFraction(
                Fraction(UInt32.random(in: 0...120, using: &random), one([.hundred, .tenThousand])))
        }
        if random.chance(4) { match.grpcOnly = true }
        return match
    }

    /// Half of the paths are built from a route of the table, then perhaps changed.
    mutating func request(_ spec: RouteTableSpec) -> TestRequest {
        var path = pathText()
        if path.isEmpty { path = "/" }
        if random.chance(50), let match = one(spec.virtualHosts).routes.randomElement(using: &random) {
            switch match.path {
            case .prefix(let text), .exact(let text), .separatedPrefix(let text): path = text
            case .regex(let text): path = text.filter { !"()[]*+?|^$\\{}".contains($0) }
            case .template, .connect: break
            }
            if random.chance(40) { path += one(["/", "/a", "1", "/12", "b", "/x/b", ";p=1", ";/b"]) }
            if random.chance(20) { path = path.uppercased() }
        }
        if random.chance(25) { path += one(["?q=1", "?r=a&q=12", "?q", "?q=&q=1", "#f", "?=1&r=Ab1", "?q=a#x"]) }
        var request = TestRequest(path, method: one(["GET", "GET", "POST", "CONNECT"]), authority: one(RandomTables.hosts))
        if request.method == "CONNECT", random.chance(80) { request.path = "" }
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            request.headers.append((one(["x-a", "x-b", "user-agent", "x-request-id", "x-c"]), one(RandomTables.values)))
        }
        if random.chance(10) {
            request.headers.append(("content-type", one(["application/grpc", "application/grpc+proto", "application/grpc-web"])))
        }
        if random.chance(10) { request.headers.append(("cookie", one(["c=1", "d=a; c=12", "c=", "x", " c = ab ;d=2"]))) }
        return request
    }
}
