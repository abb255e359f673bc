// `cors`: who may read responses from another origin (https://fetch.spec.whatwg.org/#http-cors-protocol). Preflights are
// answered here, responses say whose they are.
//
// One per worker. A property is that of the first level that says it: weighted cluster, route, virtual host, table (Envoy).

import Pipeline
import Primitives
import Routing
import Stats
import Transport
import Wire

final class CorsFilter: HTTPFilter {
    private struct State {
        /// The origin that may read the response, in the request head's text; empty: none.
        var origin: Span32
    }

    private let policies: PlainArray<CorsPolicy>
    private let stats: StatID

    init(name: String, policies: [CorsPolicy], stats: StatID) {
        self.policies = PlainArray(copying: policies)
        self.stats = stats
        super.init(name: name, stateBytes: MemoryLayout<State>.stride, interest: [.requestHead, .responseHead])
    }

    deinit { policies.destroy() }

    private func state(of stream: StreamPointer) -> UnsafeMutablePointer<State> {
        unsafe state(stream).assumingMemoryBound(to: State.self)
    }

    // MARK: Policy

    /// What the first level that says it says.
    private func first<Value>(_ stream: StreamPointer, _ of: (CorsPolicy) -> Value?) -> Value? {
        var found: Value?
        unsafe eachRouteConfig(stream) { number in if found == nil { found = of(policies[Int(number)]) } }
        return found
    }

    private func text(_ stream: StreamPointer, _ of: (CorsPolicy) -> Bytes) -> Bytes? {
        unsafe first(stream) { of($0).isEmpty ? nil : of($0) }
    }

    private func isAllowed(_ stream: StreamPointer, _ origin: Bytes) -> Bool {
        guard let origins = unsafe first(stream, { $0.origins.isEmpty ? nil : $0.origins }) else { return false }
        // One that matches `*` itself is one for everybody (Envoy).
        let everybody = Bytes("*" as StaticString)
        for i in 0..<origins.count where origins[i].matches(origin) || origins[i].matches(everybody) { return true }
        return false
    }

    private func holds(_ fraction: RuntimeFraction, _ worker: Worker) -> Bool {
        let value = fraction.value
        return value.numerator > 0 && value.holds(worker.random.next())
    }

    // MARK: Request

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        guard let at = unsafe stream.pointee.request.index(of: .origin), unsafe stream.pointee.route?.pointee.action == .forward,
            let policy = unsafe first(stream, { $0 })
        else { return .proceed }
        let isEnabled = holds(policy.enabled, worker)
        guard isEnabled || holds(policy.shadowed, worker) else { return .proceed }
        let origin = unsafe stream.pointee.request.field(at).value
        if origin.isEmpty { return .proceed }
        let isValid = unsafe isAllowed(stream, stream.pointee.request.text(origin))
        worker.cells.increment(stats &+ (isValid ? CorsStat.originValid : .originInvalid).rawValue)
        guard isEnabled, unsafe isValid || (isPreflight(stream) && first(stream, { $0.forwardsOthersPreflights }) == false)
        else { return .proceed }
        if isValid { unsafe state(of: stream).pointee.origin = origin }
        guard unsafe isPreflight(stream) else { return .proceed }
        unsafe answer(worker, stream, isValid ? origin : nil)
        return .stop
    }

    /// https://fetch.spec.whatwg.org/#cors-preflight-request
    private func isPreflight(_ stream: StreamPointer) -> Bool {
        unsafe stream.pointee.request.method == .options
            && !(stream.pointee.request.value(of: .accessControlRequestMethod) ?? .empty).isEmpty
    }

    private func answer(_ worker: Worker, _ stream: StreamPointer, _ origin: Span32?) {
        let asked = unsafe stream.pointee.request.value(named: Bytes("access-control-request-private-network" as StaticString))
        let isPrivate = unsafe asked?.equals(Bytes("true" as StaticString)) ?? false && first(stream, { $0.allowsPrivateNetwork }) ?? false
        unsafe worker.answer(stream, status: 200, details: Bytes("cors_response" as StaticString)) { head in
            func add(_ name: StaticString, _ value: Bytes?) {
                if let value { head.append(name: Bytes(name), value: value) }
            }
            add("access-control-allow-origin", origin.map { unsafe stream.pointee.request.text($0) })
            unsafe add("access-control-allow-credentials", credentials(stream))
            unsafe add("access-control-allow-methods", text(stream) { $0.allowMethods })
            unsafe add("access-control-allow-headers", text(stream) { $0.allowHeaders })
            unsafe add("access-control-max-age", text(stream) { $0.maxAge })
            add("access-control-allow-private-network", isPrivate ? Bytes("true" as StaticString) : nil)
        }
    }

    private func credentials(_ stream: StreamPointer) -> Bytes? {
        unsafe first(stream) { $0.allowsCredentials } == true ? Bytes("true" as StaticString) : nil
    }

    // MARK: Response

    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        let origin = unsafe state(of: stream).pointee.origin
        if origin.isEmpty { return .proceed }
        unsafe set(stream, "access-control-allow-origin", stream.pointee.request.text(origin))
        if let value = unsafe credentials(stream) { unsafe set(stream, "access-control-allow-credentials", value) }
        if let value = unsafe text(stream, { $0.exposeHeaders }) { unsafe set(stream, "access-control-expose-headers", value) }
        return .proceed
    }

    /// In the place of the first that is there; the others go.
    private func set(_ stream: StreamPointer, _ name: StaticString, _ value: Bytes) {
        let name = Bytes(name)
        guard let at = unsafe stream.pointee.response.index(named: name) else {
            return unsafe stream.pointee.response.append(name: name, value: value)
        }
        unsafe stream.pointee.response.replaceValue(at: at, value)
        while let other = unsafe stream.pointee.response.index(named: name, from: at &+ 1) { unsafe stream.pointee.response.remove(at: other) }
    }
}
