// A listener as main keeps it: what it was compiled from and to, and the addresses that it has.

import EnvoyAPI
import Pipeline
import Primitives

@safe
package final class LiveListener: LiveResource {
    let draft: ListenerDraft
    private let kept: KeptMessage<ListenerMessage>
    package var message: ListenerMessage { kept.message }
    var messageBytes: Int { kept.count }
    var config: UnsafePointer<ListenerConfig>?
    package internal(set) var addresses: [SocketAddress] = []
    /// Nanoseconds since 1970.
    package let updatedNs = Clock.wallNs()
    /// `/drain_listeners`: its sockets are closed, its connections go on.
    var isStopped = false
    var predecessor: LiveListener?
    /// `downstream_pre_cx_active` is shown, whether anything waits or not.
    var showsWaiting = false

    init(_ draft: ListenerDraft, _ message: ListenerMessage) {
        self.draft = draft
        kept = KeptMessage(message)
        isInbound = message.trafficDirection == .inbound
    }
    var key: String { draft.key }
    var part: PlanPart { draft.part }
    var tls: [TLSDraft] { draft.tls }
    package var name: String { draft.name.isEmpty ? draft.key : draft.name }
    let isInbound: Bool
    /// Tells two of one name apart.
    package var hash: UInt64 { draft.part.hash.number }
}
