// One type of resource on one stream, and the subscriptions that ask for it: what is answered to a response is what all of
// them say. A stream of a subscription's own has one channel with one; the aggregated one has what everybody asks for.
//
// Owner: main.

final class DiscoveryChannel {
    private(set) var session: DiscoverySession
    private(set) var subscriptions: [Subscription]
    /// What a resource is called; state of the world does not say.
    private let nameOf: (DiscoveredResource) -> String

    init(_ session: DiscoverySession, _ subscriptions: [Subscription], nameOf: @escaping (DiscoveredResource) -> String) {
        self.session = session
        self.subscriptions = subscriptions
        self.nameOf = nameOf
    }

    // MARK: Who asks

    /// What is sent on an open stream; nil: nothing.
    func add(_ subscription: Subscription, isOpen: Bool) -> [UInt8]? {
        subscriptions.append(subscription)
        return changed(isOpen)
    }

    func remove(_ subscription: Subscription, isOpen: Bool) -> [UInt8]? {
        subscriptions.removeAll { $0 === subscription }
        return changed(isOpen)
    }

    private func changed(_ isOpen: Bool) -> [UInt8]? {
        let names = Set(subscriptions.flatMap(\.names)).sorted()
        if isOpen { return session.ask(for: names) }
        session.want(names)
        return nil
    }

    // MARK: What is said

    func opening() -> [UInt8] { session.opening() }

    func fetching() -> [UInt8] { session.fetching() }

    func failed() { for subscription in subscriptions { subscription.failed() } }

    /// The answer to the response.
    func received(_ response: DiscoveryUpdate) -> [UInt8] {
        if let refusal = session.mixed(response) { return refused(response, refusal, began: nil) }
        for subscription in subscriptions {
            guard let share = share(of: response, subscription) else { continue }
            do throws(DiscoveryRefusal) {
                try subscription.take(share)
            } catch {
                return refused(response, error, began: subscription)
            }
        }
        return session.accept(response)
    }

    /// As in Envoy all are told, whoever has refused. `began`: who had begun to look at it.
    private func refused(_ response: DiscoveryUpdate, _ refusal: DiscoveryRefusal, began: Subscription?) -> [UInt8] {
        for subscription in subscriptions {
            // Envoy counts an increment when it begins to look at it, and once more when that fails.
            if session.isIncremental, subscription === began { subscription.attempted() }
            subscription.rejected(refusal)
        }
        return session.refuse(response, refusal)
    }

    /// Nil: it says nothing of what this one asks for.
    private func share(of response: DiscoveryUpdate, _ subscription: Subscription) -> DiscoveryUpdate? {
        if response.isAnswer { return response }
        if subscriptions.count == 1 {
            // State of the world without what was asked for says nothing of it.
            return !session.isIncremental && response.resources.isEmpty ? nil : response
        }
        var share = response
        share.resources = response.resources.filter { subscription.names.contains(nameOf($0)) }
        share.removed = response.removed.filter { subscription.names.contains($0) }
        return share.resources.isEmpty && share.removed.isEmpty ? nil : share
    }
}
