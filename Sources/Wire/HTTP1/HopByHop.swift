// Fields that concern one connection only and are not forwarded (RFC 9110 §7.6.1).
//
// Removed: connection, everything that it names, keep-alive, proxy-connection, transfer-encoding (the encoder writes
// its own), upgrade unless this message switches protocols; te but for `trailers` and an empty one. Envoy keeps some of what a
// response's Connection names; the RFC does not.

import Primitives

package enum HopByHop {
    /// Connection options in one message, as in Envoy: each costs a walk over the fields.
    package static let optionsMax = 9

    package enum Outcome { case stripped, rejected, withoutHost }

    /// `rejected`: Connection names a field that must not go (RFC 9110 §7.6.1: nothing that is meant for all recipients), or
    /// too many; answer 400. `withoutHost`: it names the host, and there is none any more.
    package static func strip(_ head: inout MessageHead, keepUpgrade: Bool = false) -> Outcome {
        var i = 0
        var count = 0
        var outcome = Outcome.stripped
        while let at = head.index(of: .connection, from: i) {
            i = at &+ 1
            var isUpgrade = false
            var options = TokenList(head.value(at))
            while let option = options.next() {
                count &+= 1
                if count > optionsMax || isProtected(option) { return .rejected }
                if option.equalsIgnoringCase(Bytes("upgrade")) {
                    isUpgrade = true
                } else if option.equalsIgnoringCase(Bytes("host")) {
                    outcome = .withoutHost
                } else {
                    nominate(option, &head)
                }
            }
            // As the peer wrote it, as in Envoy: what else it names is gone.
            if !keepUpgrade || !isUpgrade { head.remove(at: at) }
        }
        stripTE(&head)
        head.remove(.keepAlive)
        head.remove(.proxyConnection)
        head.remove(.transferEncoding)
        if !keepUpgrade { head.remove(.upgrade) }
        return outcome
    }

    /// RFC 9110 §10.1.4: `trailers` says that we may forward them; codings are between two neighbours. In small letters
    /// only, as in Envoy: who writes it otherwise gets no trailers.
    private static func stripTE(_ head: inout MessageHead) {
        var i = 0
        while let at = head.index(of: .te, from: i) {
            i = at &+ 1
            // An empty one says nothing, and passes.
            if head.value(at).isEmpty { continue }
            var list = TokenList(head.value(at))
            while let element = list.next() {
                guard element.equals(Bytes("trailers")) else { continue }
                head.set(.te, Bytes("trailers" as StaticString))
                return
            }
            head.remove(at: at)
        }
    }

    /// Who could have these removed would choose what the next hop believes of the request's origin.
    private static func isProtected(_ option: Bytes) -> Bool {
        if option[0] == UInt8(ascii: ":") { return true }
        guard option.count > 14, option.count < 18 else { return false }
        return option.equalsIgnoringCase(Bytes("x-forwarded-for")) || option.equalsIgnoringCase(Bytes("x-forwarded-host"))
            || option.equalsIgnoringCase(Bytes("x-forwarded-proto"))
    }

    /// Removes the fields that a connection option names.
    private static func nominate(_ option: Bytes, _ head: inout MessageHead) {
        if option.equalsIgnoringCase(Bytes("close")) || option.equalsIgnoringCase(Bytes("keep-alive")) { return }
        var i = 0
        while i < head.count {
            let field = head.field(i)
            if !field.removed, head.text(field.name).equalsIgnoringCase(option) {
                switch field.id {
                // `strip` and the encoder have their own rules for these.
                case .connection, .transferEncoding: break
                case .te where !head.value(i).isEmpty: break
                default: head.remove(at: i)
                }
            }
            i &+= 1
        }
    }
}
