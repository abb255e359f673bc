// The HTTP filters that a configuration may name: the target Extensions lists its factories, `martlet` hands the list
// over, and the compiler finds them by type or by name. The router is built in, for it is the chain's end.

import EnvoyAPI
import Pipeline
import Primitives
import Stats

/// What a factory gets to make its filter from.
package struct FilterInput {
    /// The message in protobuf's wire format; empty when the configuration names the filter and nothing more.
    package let bytes: [UInt8]
    /// `http_filters[].name`.
    package let name: String
    /// `http.<stat_prefix>.`: what the filter's own statistics begin with.
    package let statPrefix: String
    /// Memory that lives as long as the filter's factory: for formats and texts.
    package let arena: FrozenArena
    /// Makes a statistics scope that goes with the filter; its base.
    package let scope: (_ prefix: String, _ schema: any StatLeaf.Type) -> StatID
    /// The slot of a cluster that the filter calls; nil after an error that has been reported.
    package let cluster: (_ name: String) -> UInt32?
}

package struct FilterRegistration {
    /// Today's name: `envoy.filters.http.buffer`.
    package let name: String
    /// Full name of its message, without the host of a type URL.
    package let message: String
    /// Full name of its per-route message; empty: none.
    package let routeMessage: String
    /// Errors have paths relative to the message.
    package let make: (FilterInput) throws(ConfigErrors) -> HTTPFilterFactory
    /// Adds a per-route configuration to a factory that `make` made: its number.
    package let addRoute: (HTTPFilterFactory, FilterInput) throws(ConfigErrors) -> UInt32

    package init(
        name: String, message: String, routeMessage: String = "",
        make: @escaping (FilterInput) throws(ConfigErrors) -> HTTPFilterFactory,
        addRoute: @escaping (HTTPFilterFactory, FilterInput) throws(ConfigErrors) -> UInt32 = {
            (_, _) throws(ConfigErrors) in 0
        }
    ) {
        self.name = name
        self.message = message
        self.routeMessage = routeMessage
        self.make = make
        self.addRoute = addRoute
    }
}

package final class FilterRegistry {
    private var byName: [String: FilterRegistration] = [:]
    private var byMessage: [String: FilterRegistration] = [:]
    private var byRouteMessage: [String: FilterRegistration] = [:]

    package init(_ registrations: [FilterRegistration] = []) {
        for registration in registrations {
            byName[registration.name] = registration
            byMessage[registration.message] = registration
            if !registration.routeMessage.isEmpty { byRouteMessage[registration.routeMessage] = registration }
        }
    }

    /// With a type its message decides and the name is free; without one the name is all there is.
    func filter(name: String, type: String?) -> FilterRegistration? {
        if let type { return byMessage[type] }
        return byName[ExtensionNames.canonical(name)]
    }

    func routeFilter(type: String) -> FilterRegistration? { byRouteMessage[type] ?? byMessage[type] }
}

extension ProtobufAny {
    /// The full message name, without host.
    var messageName: String { String(typeURL.split(separator: "/").last ?? "") }
    var bytes: [UInt8] { Array(value) }
}
