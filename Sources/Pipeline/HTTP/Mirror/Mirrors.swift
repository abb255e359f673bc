// Request mirroring: a copy of a request goes to another cluster, and nobody waits for what it answers.
//
// A mirror is an `HTTPStream` without a downstream connection, like a call (`AsyncClient`), and ends at the same sink; it
// has no owner. Its body follows part by part while the request's own body comes (`mirrorData`). It never holds the request
// back: a mirror that takes less than it gets is given up at the bound that a request's own body has (docs/limits.md).
// When the request is here in full its mirrors are on their own; one that is cut short takes them with it.

import Primitives
import Routing
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // HOT: per message.
    /// The head is as the upstream gets it. `endStream`: no body follows.
    func startMirrors(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        let mirrors = unsafe route.pointee.mirrors
        guard !mirrors.isEmpty, unsafe !stream.pointee.isUpgrade else { return }
        for i in 0..<mirrors.count where unsafe mirrors[i].fraction.holds(stream.pointee.random) {
            unsafe startMirror(stream, mirrors.pointer(i))
        }
    }

    private func startMirror(_ stream: StreamPointer, _ mirror: UnsafePointer<MirrorConfig>) {
        // Only what a listener's part configures can be pinned, and only its requests are mirrored.
        guard unsafe connections.slab[stream.pointee.downstream] != nil else { return }
        // Without a cluster there is no mirror, and nothing is counted (Envoy).
        let target = unsafe mirror.pointee.target
        guard unsafe cluster(mirrorSlot(stream, target)) != nil else { return }
        guard let head = unsafe stream.pointee.request.copied() else { return }
        guard let copy = unsafe openMirror(head, target, part: part(of: stream)) else { return }
        unsafe copy.pointee.router = unsafe stream.pointee.router
        unsafe applyMutations(mirror.pointee.mutations, to: copy.requestHead, stream, isRequest: true)
        if unsafe !mirror.pointee.hostRewrite.isEmpty {
            unsafe setAuthority(copy, mirror.pointee.hostRewrite)
        } else if unsafe mirror.pointee.addsSuffix {
            unsafe addSuffix(copy)
        }
        if unsafe stream.pointee.trace != .none {
            unsafe traceMirror(stream, copy, isSampled: mirror.pointee.isTraceSampled)
        }
        unsafe copy.pointee.request.set(.xEnvoyInternal, Bytes("true" as StaticString))
        unsafe append(copy, .xForwardedFor, text(ip: stream.pointee.http.pointee.nodeAddress, bits: nil), separator: ",")
        // The copy has as long as the request has.
        if unsafe stream.pointee.timeoutMs != target.pointee.timeoutMs {
            var digits = unsafe DecimalText(stream.pointee.timeoutMs)
            unsafe copy.pointee.request.set(.xEnvoyUpstreamRqTimeoutMs, digits.bytes())
        }
        unsafe copy.pointee.requestLength = unsafe stream.pointee.requestLength
        unsafe copy.pointee.requestIsChunked = unsafe stream.pointee.requestIsChunked
        let ends = unsafe stream.pointee.requestEndForwarded
        if ends {
            unsafe copy.pointee.requestEnded = true
            unsafe copy.pointee.requestEndNs = nowNs
        } else {
            unsafe copy.pointee.nextMirror = unsafe stream.pointee.firstMirror
            unsafe stream.pointee.firstMirror = unsafe copy.pointee.handle
        }
        unsafe runRequestHead(copy, endStream: ends)
    }

    private func mirrorSlot(_ stream: StreamPointer, _ target: UnsafePointer<RouteConfig>) -> UInt32 {
        if unsafe target.pointee.clusterChoice == .header {
            guard let name = unsafe stream.pointee.request.value(named: target.pointee.clusterHeader) else {
                return RouteConfig.noSlot
            }
            return clusterSlot(named: name) ?? RouteConfig.noSlot
        }
        return unsafe target.pointee.clusters[0].slot
    }

    /// Takes over `head`. Nil: too many, or no memory.
    private func openMirror(_ head: MessageHead, _ target: UnsafePointer<RouteConfig>, part: PartID) -> StreamPointer? {
        guard let copy = unsafe makeCall(head, target) else { return nil }
        guard let state = unsafe callState(copy) else { return nil }
        unsafe state.initialize(to: CallState(owner: .none, place: 0))
        unsafe state.pointee.part = part
        pins.pin(part)
        return unsafe copy
    }

    /// `name:81` becomes `name-shadow:81`.
    private func addSuffix(_ copy: StreamPointer) {
        let suffix = Bytes("-shadow" as StaticString)
        let host = unsafe copy.pointee.request.authority
        guard let (span, base) = unsafe copy.pointee.request.extend(Int(host.count) &+ suffix.count) else { return }
        let text = unsafe copy.pointee.request.text(host)
        let parts = HostPort(text)
        let cut = parts?.port == nil ? text.count : parts?.host.count ?? text.count
        unsafe base.update(from: text.base, count: cut)
        unsafe (base + cut).update(from: suffix.base, count: suffix.count)
        unsafe (base + cut + suffix.count).update(from: text.base + cut, count: text.count &- cut)
        unsafe copy.pointee.request.authority = span
    }

    // MARK: The body

    // HOT: per frame.
    /// Part of the request's body, for each mirror that is left.
    func mirrorData(_ stream: StreamPointer, _ part: Bytes) {
        var next = unsafe stream.pointee.firstMirror
        while let copy = unsafe streams[next] {
            next = unsafe copy.pointee.nextMirror
            if unsafe copy.pointee.isDestroyed { continue }
            let handle = unsafe copy.pointee.handle
            unsafe requestData(copy, part, nil, endStream: false)
            guard let copy = unsafe streams[handle], unsafe waitingBytes(copy) > mirrorLimit(stream) else { continue }
            if let cluster = unsafe cluster(stream.pointee.clusterSlot) {
                unsafe count(cluster.pointee.config.pointee.stats, .retryOrShadowAbandoned)
            }
            unsafe unlinkMirror(stream, copy)
            cancelCall(handle)
        }
    }

    private func mirrorLimit(_ stream: StreamPointer) -> Int {
        unsafe stream.pointee.route?.pointee.bufferLimit ?? stream.pointee.http.pointee.bufferLimit
    }

    private func waitingBytes(_ copy: StreamPointer) -> Int {
        unsafe copy.pointee.waitingBody.count &+ (connections.slab[copy.pointee.upstream]?.pointee.out.count ?? 0)
    }

    private func unlinkMirror(_ stream: StreamPointer, _ copy: StreamPointer) {
        let handle = unsafe copy.pointee.handle
        if unsafe stream.pointee.firstMirror == handle {
            unsafe stream.pointee.firstMirror = unsafe copy.pointee.nextMirror
            return
        }
        var at = unsafe stream.pointee.firstMirror
        while let other = unsafe streams[at] {
            at = unsafe other.pointee.nextMirror
            if at == handle {
                unsafe other.pointee.nextMirror = unsafe copy.pointee.nextMirror
                return
            }
        }
    }

    /// The request is here in full: its mirrors end too, and go on without it.
    func endMirrors(_ stream: StreamPointer) {
        var next = unsafe stream.pointee.firstMirror
        unsafe stream.pointee.firstMirror = .none
        while let copy = unsafe streams[next] {
            next = unsafe copy.pointee.nextMirror
            if unsafe !copy.pointee.isDestroyed { unsafe requestEnded(copy) }
        }
    }

    /// The request is cut short, and so are they.
    func cancelMirrors(_ stream: StreamPointer) {
        var next = unsafe stream.pointee.firstMirror
        unsafe stream.pointee.firstMirror = .none
        while let copy = unsafe streams[next] {
            next = unsafe copy.pointee.nextMirror
            unsafe cancelCall(copy.pointee.handle)
        }
    }
}
