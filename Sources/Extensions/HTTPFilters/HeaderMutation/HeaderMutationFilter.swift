// `header_mutation`: changes heads, trailers and query parameters.
//
// The filter's own mutations come first, then those of every level that has some (route, virtual host, table): from the
// most specific to the least, so that the general ones win, or the other way with `most_specific_header_mutations_wins`.

import Pipeline
import Primitives
import Routing
import Wire

final class HeaderMutationFilter: HTTPFilter {
    private let set: MutationSet
    private let routes: PlainArray<MutationSet>
    private let mostSpecificWins: Bool
    private var query: QueryMutator
    /// Levels that a route can have: route, virtual host, table; weighted clusters would be a fourth.
    private static let levelsMax = 4

    init(name: String, _ set: MutationSet, routes: [MutationSet], mostSpecificWins: Bool, query: QueryMutator) {
        self.set = set
        self.routes = PlainArray(copying: routes)
        self.mostSpecificWins = mostSpecificWins
        self.query = query
        let all = [set] + routes
        var interest: FilterInterest = [.requestHead, .responseHead]
        if all.contains(where: { !$0.requestTrailers.isEmpty }) { interest.insert(.requestTrailers) }
        if all.contains(where: { !$0.responseTrailers.isEmpty }) { interest.insert(.responseTrailers) }
        super.init(name: name, interest: interest)
    }

    deinit {
        routes.destroy()
        query.destroy()
    }

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        unsafe eachSet(stream) { set in
            unsafe apply(set.request, worker, stream.requestHead, stream, isRequest: true)
            if !set.query.isEmpty { unsafe query.apply(set.query, worker, stream) }
        }
        return unsafe isWhole(worker, stream) ? .proceed : .stop
    }

    override func requestTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        guard let trailers = unsafe worker.addTrailers(.request, stream) else { return .proceed }
        unsafe eachSet(stream) { set in unsafe apply(set.requestTrailers, worker, trailers, stream, isRequest: true) }
        return .proceed
    }

    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        unsafe eachSet(stream) { set in unsafe apply(set.response, worker, stream.responseHead, stream, isRequest: false) }
        return .proceed
    }

    override func responseTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        guard let trailers = unsafe worker.addTrailers(.response, stream) else { return .proceed }
        unsafe eachSet(stream) { set in unsafe apply(set.responseTrailers, worker, trailers, stream, isRequest: false) }
        return .proceed
    }

    private func eachSet(_ stream: StreamPointer, _ body: (MutationSet) -> Void) {
        body(set)
        if !mostSpecificWins { return unsafe eachRouteConfig(stream) { body(routes[Int($0)]) } }
        var levels: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
        var count = 0
        unsafe withUnsafeMutableBytes(of: &levels) { raw in
            let numbers = unsafe raw.assumingMemoryBound(to: UInt32.self)
            unsafe eachRouteConfig(stream) { number in
                guard count < HeaderMutationFilter.levelsMax else { return }
                unsafe numbers[count] = number
                count += 1
            }
            while count > 0 {
                count -= 1
                unsafe body(routes[Int(numbers[count])])
            }
        }
    }

    // MARK: Steps

    private func apply(
        _ steps: FrozenArray<MutationStep>, _ worker: Worker, _ head: UnsafeMutablePointer<MessageHead>,
        _ stream: StreamPointer, isRequest: Bool
    ) {
        for i in 0..<steps.count {
            let step = unsafe steps.pointer(i)
            switch unsafe step.pointee.kind {
            case .fields: unsafe worker.applyMutations(step.pointee.fields, to: head, stream, isRequest: isRequest)
            case .matching: if let matcher = unsafe step.pointee.matcher { unsafe remove(matcher, head, isRequest: isRequest) }
            case .removePath: unsafe head.pointee.path = Span32()
            case .removeMethod: unsafe head.pointee.methodText = Span32()
            }
        }
    }

    /// The authority is never removed: without it there is no HTTP/1.1 request (docs/differences.md).
    private func remove(_ matcher: TextMatcher, _ head: UnsafeMutablePointer<MessageHead>, isRequest: Bool) {
        for i in unsafe 0..<head.pointee.count where unsafe !head.pointee.field(i).removed {
            if unsafe head.pointee.field(i).id != .host, unsafe matcher.matches(head.pointee.name(i)) {
                unsafe head.pointee.remove(at: i)
            }
        }
        guard isRequest else { return }
        if matcher.matches(Bytes(":path" as StaticString)) { unsafe head.pointee.path = Span32() }
        if matcher.matches(Bytes(":method" as StaticString)) { unsafe head.pointee.methodText = Span32() }
    }

    /// Whether the request still has what it needs; answered otherwise, in Envoy's words.
    private func isWhole(_ worker: Worker, _ stream: StreamPointer) -> Bool {
        let lacksMethod = unsafe stream.pointee.request.methodText.isEmpty
        let lacksPath = unsafe stream.pointee.request.path.isEmpty && !stream.pointee.isConnect
        guard lacksMethod || lacksPath else { return true }
        let body: StaticString = lacksMethod ? "missing required header: :method" : "missing required header: :path"
        let details: StaticString = lacksMethod
            ? "filter_removed_required_request_headers{missing_required_header:_:method}"
            : "filter_removed_required_request_headers{missing_required_header:_:path}"
        unsafe worker.reply(
            stream, status: 503, body: Bytes(body), details: Bytes(details), flags: .downstreamProtocolError)
        return false
    }
}
