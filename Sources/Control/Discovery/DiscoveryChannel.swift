// One type of resource on one stream, and the subscriptions that ask for it: what is answered to a response is what all of
// them say. A stream of a subscription's own has one channel with one; the aggregated one has what everybody asks for.
//
// Owner: main. A response is read once, whoever asks for what is in it; and however many come or go in a turn, the server is
// told by one request (`changes`).

package final class DiscoveryChannel {
    package private(set) var session: DiscoverySession
    private(set) var subscriptions: [Subscription] = []
    private var byName: [String: [Subscription]] = [:]
    /// What is in a resource, and what it is called where only that says so.
    private let read: (inout DiscoveredResource) throws(DiscoveryRefusal) -> Void
    /// This stream has been asked for something.
    private var isOpened = false
    /// Others ask than the server has been told.
    private var isChanged = false

    package init(_ session: DiscoverySession, read: @escaping (inout DiscoveredResource) throws(DiscoveryRefusal) -> Void) {
        self.session = session
        self.read = read
    }

    // MARK: Who asks

    package func add(_ subscription: Subscription) {
        subscriptions.append(subscription)
        for name in subscription.names { byName[name, default: []].append(subscription) }
        isChanged = true
    }

    package func remove(_ gone: [Subscription]) {
        let ids = Set(gone.map { ObjectIdentifier($0) })
        subscriptions.removeAll { ids.contains(ObjectIdentifier($0)) }
        for name in Set(gone.flatMap(\.names)) {
            byName[name]?.removeAll { ids.contains(ObjectIdentifier($0)) }
            if byName[name]?.isEmpty == true { byName[name] = nil }
        }
        isChanged = true
    }

    // MARK: What is said

    package func opening() -> [UInt8] {
        isOpened = true
        isChanged = false
        session.want(Set(byName.keys))
        return session.opening()
    }

    /// What an open stream has not been told yet; nil: nothing.
    package func changes() -> [UInt8]? {
        guard isOpened else { return opening() }
        guard isChanged else { return nil }
        isChanged = false
        return session.ask(for: Set(byName.keys))
    }

    /// REST: each request begins anew.
    package func fetching() -> [UInt8] {
        session.want(Set(byName.keys))
        return session.fetching()
    }

    /// The stream is over.
    func failed() {
        isOpened = false
        for subscription in subscriptions { subscription.failed() }
    }

    /// The answer to the response.
    package func received(_ response: DiscoveryUpdate) -> [UInt8] {
        if let refusal = session.mixed(response) { return refused(response, refusal, began: nil) }
        var response = response
        do throws(DiscoveryRefusal) {
            try read(in: &response)
        } catch {
            return refused(response, error, began: nil)
        }
        let shares = shares(of: response)
        for subscription in subscriptions {
            guard let share = shares[ObjectIdentifier(subscription)] else { continue }
            do throws(DiscoveryRefusal) {
                try subscription.take(share)
            } catch {
                return refused(response, error, began: subscription)
            }
        }
        return session.accept(response)
    }

    /// As in Envoy: all of the world, and of increments those that somebody asks for.
    private func read(in response: inout DiscoveryUpdate) throws(DiscoveryRefusal) {
        for i in response.resources.indices where !session.isIncremental || byName[response.resources[i].name] != nil {
            try read(&response.resources[i])
        }
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

    /// What concerns each; those that it says nothing of are not there.
    private func shares(of response: DiscoveryUpdate) -> [ObjectIdentifier: DiscoveryUpdate] {
        var shares: [ObjectIdentifier: DiscoveryUpdate] = [:]
        if response.isAnswer {
            for subscription in subscriptions { shares[ObjectIdentifier(subscription)] = response }
            return shares
        }
        var none = response
        none.resources = []
        none.removed = []
        for resource in response.resources {
            for subscription in byName[resource.name] ?? [] { shares[ObjectIdentifier(subscription), default: none].resources.append(resource) }
        }
        for name in response.removed {
            for subscription in byName[name] ?? [] { shares[ObjectIdentifier(subscription), default: none].removed.append(name) }
        }
        return shares
    }
}
