// A matcher tree (`xds.type.matcher.v3.Matcher`) over a request and its connection, frozen. What it comes to is a number, which
// means something to whoever compiled it.

import COpenSSL
import Primitives
import Routing
import Transport
import Wire

/// What a value is taken from; nil where the request has none, which no value matches.
package struct MatchInput: BitwiseCopyable {
    package enum Source: UInt8, BitwiseCopyable {
        case requestHeader, queryParameter, sourceIP, directSourceIP, sourcePort, destinationIP, destinationPort, serverName, peerURIs, peerNames, peerSubject
        /// All that an expression sees: no value of its own.
        case attributes
    }
    package var source: Source
    package var name = Bytes.empty
    package init(_ source: Source, name: Bytes = .empty) {
        self.source = source
        self.name = name
    }
}

package struct MatchPredicate: BitwiseCopyable {
    package enum Kind: UInt8, BitwiseCopyable { case value, expression, any, all, not }
    package var kind: Kind
    package var input = MatchInput(.requestHeader)
    package var value: TextMatcher?
    package var program: CELProgram?
    package var inner = FrozenArray<MatchPredicate>()
    package init(_ kind: Kind) { self.kind = kind }
}

/// `OnMatch`: an action, a further matcher, or nothing.
@safe
package struct MatchOutcome: BitwiseCopyable {
    package var action: UInt32?
    package var matcher: UnsafePointer<RequestMatcher>?
    package init() {}
}

package struct MatchRule: BitwiseCopyable {
    /// Of a list.
    package var predicate = MatchPredicate(.all)
    /// Of a map.
    package var key = Bytes.empty
    package var outcome = MatchOutcome()
    package init() {}
}

@safe
package struct RequestMatcher: BitwiseCopyable {
    package enum Kind: UInt8, BitwiseCopyable {
        case list, exact
        /// Longest first.
        case prefix
    }
    package var kind = Kind.list
    package var input = MatchInput(.requestHeader)
    package var rules = FrozenArray<MatchRule>()
    package var otherwise = MatchOutcome()
    package init() {}
}

/// What a predicate comes to.
private enum MatchAnswer: BitwiseCopyable {
    case yes, no
    /// It asks for the response, which is not there yet: nothing behind it counts.
    case unknown
}

private enum MatchFound: BitwiseCopyable {
    case action(UInt32), nothing, unknown
}

extension Worker {
    /// The action that the request comes to; nil: none.
    func match(_ matcher: UnsafePointer<RequestMatcher>, _ stream: StreamPointer) -> UInt32? {
        if case .action(let action) = unsafe found(matcher, stream) { action } else { nil }
    }

    private func found(_ matcher: UnsafePointer<RequestMatcher>, _ stream: StreamPointer) -> MatchFound {
        let rules = unsafe matcher.pointee.rules
        let kind = unsafe matcher.pointee.kind
        var value = unsafe kind == .list ? nil : self.value(matcher.pointee.input, stream)
        for i in 0..<rules.count {
            let rule = rules[i]
            let answer: MatchAnswer = switch kind {
            case .list: unsafe self.answer(rule.predicate, stream)
            case .exact: value?.equals(rule.key) == true ? .yes : .no
            case .prefix: value?.hasPrefix(rule.key) == true ? .yes : .no
            }
            if answer == .unknown { return .unknown }
            guard answer == .yes else { continue }
            // One that comes to nothing is passed over.
            let found = unsafe self.found(rule.outcome, stream)
            if case .nothing = found {
                // It may have read values of its own, and with them overwritten this one. No other key of an exact map is the same.
                if kind == .exact { break }
                if kind == .prefix { value = unsafe self.value(matcher.pointee.input, stream) }
            } else {
                return found
            }
        }
        return unsafe found(matcher.pointee.otherwise, stream)
    }

    private func found(_ outcome: MatchOutcome, _ stream: StreamPointer) -> MatchFound {
        if let matcher = unsafe outcome.matcher { return unsafe found(matcher, stream) }
        return outcome.action.map { .action($0) } ?? .nothing
    }

    private func answer(_ predicate: MatchPredicate, _ stream: StreamPointer) -> MatchAnswer {
        switch predicate.kind {
        case .value:
            guard let matcher = predicate.value, let value = unsafe value(predicate.input, stream) else { return .no }
            return matcher.matches(value) ? .yes : .no
        case .expression:
            guard let program = predicate.program else { return .no }
            let source = unsafe formatSource(stream)
            formats.asksResponse = false
            if formats.holds(program, source) { return .yes }
            return formats.asksResponse ? .unknown : .no
        case .any:
            var isUnknown = false
            for i in 0..<predicate.inner.count {
                switch unsafe answer(predicate.inner[i], stream) {
                case .yes: return .yes
                case .unknown: isUnknown = true
                case .no: break
                }
            }
            return isUnknown ? .unknown : .no
        case .all:
            for i in 0..<predicate.inner.count {
                let answer = unsafe self.answer(predicate.inner[i], stream)
                if answer != .yes { return answer }
            }
            return .yes
        case .not:
            switch unsafe answer(predicate.inner[0], stream) {
            case .yes: return .no
            case .no: return .yes
            case .unknown: return .unknown
            }
        }
    }

    /// Good until the next one.
    func value(_ input: MatchInput, _ stream: StreamPointer) -> Bytes? {
        switch input.source {
        case .requestHeader: return unsafe header(input.name, stream)
        case .queryParameter:
            return unsafe PathQuery(stream.pointee.request.text(stream.pointee.request.path)).query.flatMap { parameter(input.name, $0) }
        case .sourceIP: return unsafe ip(stream.pointee.directRemoteAddress)
        case .directSourceIP: return unsafe connections.slab[stream.pointee.downstream].flatMap { unsafe ip(directRemote($0)) }
        case .destinationIP: return unsafe ip(stream.pointee.localAddress)
        case .sourcePort: return unsafe port(stream.pointee.directRemoteAddress)
        case .destinationPort: return unsafe port(stream.pointee.localAddress)
        case .serverName: return unsafe fact(Int(martlet_fact_server_name), stream)
        case .peerURIs: return unsafe fact(Int(martlet_fact_peer_uri), stream)
        case .peerNames: return unsafe fact(Int(martlet_fact_peer_dns), stream)
        case .peerSubject: return unsafe fact(Int(martlet_fact_peer_subject), stream)
        case .attributes: return nil
        }
    }

    /// Several fields of a name are one value, with commas between.
    private func header(_ name: Bytes, _ stream: StreamPointer) -> Bytes? {
        let request = unsafe stream.pointee.request
        // The codecs keep `host` as the authority.
        if name.equals(Bytes("host" as StaticString)) { return pseudo(Bytes(":authority" as StaticString), request) }
        if !name.isEmpty, name[0] == UInt8(ascii: ":") { return pseudo(name, request) }
        guard let first = request.index(named: name) else { return nil }
        guard var next = request.index(named: name, from: first &+ 1) else { return request.value(first) }
        certificateText.reset()
        certificateText.put(request.value(first))
        while true {
            certificateText.put(UInt8(ascii: ","))
            certificateText.put(request.value(next))
            guard let further = request.index(named: name, from: next &+ 1) else { return certificateText.bytes }
            next = further
        }
    }

    /// nil: the request has none.
    private func pseudo(_ name: Bytes, _ request: MessageHead) -> Bytes? {
        let value: Bytes =
            if name.equals(Bytes(":path" as StaticString)) {
                request.text(request.path)
            } else if name.equals(Bytes(":method" as StaticString)) {
                request.text(request.methodText)
            } else if name.equals(Bytes(":authority" as StaticString)) {
                request.text(request.authority)
            } else if name.equals(Bytes(":scheme" as StaticString)) {
                // One of HTTP/1 has none of its own, but where there is a path.
                request.path.isEmpty && request.scheme.isEmpty ? .empty : request.schemeText
            } else {
                .empty
            }
        return value.isEmpty ? nil : value
    }

    /// The first parameter of that name, both without their percent escapes.
    private func parameter(_ name: Bytes, _ query: Bytes) -> Bytes? {
        var parameters = Wire.QueryParameters(query)
        while let found = parameters.next() {
            if unescaped(found.name).equals(name) { return unescaped(found.value) }
        }
        return nil
    }

    /// A plus stays a plus, and a percent sign without two digits behind it stays what it is.
    private func unescaped(_ text: Bytes) -> Bytes {
        guard text.firstIndex(of: UInt8(ascii: "%")) != nil else { return text }
        certificateText.reset()
        var at = 0
        while at < text.count {
            if let byte = PercentCoding.byte(text, at: at) {
                certificateText.put(byte)
                at &+= 3
            } else {
                certificateText.put(text[at])
                at &+= 1
            }
        }
        return certificateText.bytes
    }

    /// A UNIX socket has none.
    private func ip(_ address: SocketAddress) -> Bytes? {
        hasIP(address) ? text { $0.put(ip: address) } : nil
    }

    private func port(_ address: SocketAddress) -> Bytes? {
        hasIP(address) ? text { $0.put(decimal: UInt64(address.port)) } : nil
    }

    private func hasIP(_ address: SocketAddress) -> Bool { address.family == .ipv4 || address.family == .ipv6 }

    private func text(_ write: (inout TextBuffer) -> Void) -> Bytes {
        certificateText.reset()
        write(&certificateText)
        return certificateText.bytes
    }

    private func fact(_ fact: Int, _ stream: StreamPointer) -> Bytes? {
        guard let tls = unsafe stream.pointee.downstreamTLS else { return nil }
        let value = tls[fact]
        return value.isEmpty ? nil : value
    }
}
