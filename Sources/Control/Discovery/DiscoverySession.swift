// What is said on a stream of discovery, for one type of resource: both protocols, state of the world and incremental, as one
// pure machine. Requests come out as bytes, responses go in as bytes; nothing here waits, counts or keeps a resource.
//
// What was accepted outlives a stream: the next one begins with it, so that a server that has nothing new sends nothing.

import EnvoyAPI

package typealias AnyMessage = Google_Protobuf_Any
package typealias NodeMessage = Envoy_Config_Core_V3_Node

/// One thing that a response brings.
package struct DiscoveredResource {
    /// What it is called. Only incremental responses say so; in others the message does (`DiscoveryChannel`).
    package var name = ""
    package var version = ""
    package var typeURL = ""
    package var bytes: [UInt8] = []
    /// What is in the bytes, read once for all who ask for it (`DiscoveryChannel`).
    package var message: (any Sendable)?

    package init(name: String = "", version: String = "", typeURL: String = "", bytes: [UInt8] = []) {
        self.name = name
        self.version = version
        self.typeURL = typeURL
        self.bytes = bytes
    }

    /// Of a state of the world: a resource as it is, or in a `Resource` that says how it is called and for how long it is good.
    /// Nil: a heartbeat, which has none in it.
    package init?(world any: AnyMessage, version: String = "") {
        let name = Envoy_Service_Discovery_V3_Resource.protoMessageName
        guard any.typeURL.hasSuffix("/" + name), let wrapped = try? Envoy_Service_Discovery_V3_Resource(serializedBytes: any.value) else {
            self.init(version: version, typeURL: any.typeURL, bytes: [UInt8](any.value))
            return
        }
        guard wrapped.hasResource else { return nil }
        self.init(name: wrapped.name, version: version, typeURL: wrapped.resource.typeURL, bytes: [UInt8](wrapped.resource.value))
    }
}

package struct DiscoveryUpdate {
    package var resources: [DiscoveredResource] = []
    /// Incremental: they are not there any more.
    package var removed: [String] = []
    /// Of the whole response.
    package var version = ""
    /// Who the server says that it is; empty: nothing is said.
    package var server = ""
    /// What the response is answered by.
    package fileprivate(set) var nonce = ""
    /// It answers one request of one subscription: all of it is for that.
    package fileprivate(set) var isAnswer = false

    package init() {}

    /// Of REST, or of a file.
    init(answer: Envoy_Service_Discovery_V3_DiscoveryResponse) {
        isAnswer = true
        version = answer.versionInfo
        resources = answer.resources.compactMap { DiscoveredResource(world: $0, version: answer.versionInfo) }
    }
}

/// Why a response is refused; the server is told.
package struct DiscoveryRefusal: Error {
    package let reason: String

    package init(reason: String) { self.reason = reason }
}

package struct DiscoverySession {
    package let typeURL: String
    package let isIncremental: Bool
    /// Empty: everything.
    package private(set) var names: Set<String>
    private let node: NodeMessage
    private let namesNodeOnce: Bool

    /// Of the last response that was accepted: state of the world.
    package private(set) var version = ""
    /// Of each resource that was accepted: incremental.
    package private(set) var versions: [String: String] = [:]
    private var hasNamedNode = false
    /// Of the last response of this stream.
    private var nonce = ""

    package init(typeURL: String, isIncremental: Bool, names: [String], node: NodeMessage, namesNodeOnce: Bool) {
        self.typeURL = typeURL
        self.isIncremental = isIncremental
        self.names = Set(names)
        self.node = node
        self.namesNodeOnce = namesNodeOnce
    }

    // MARK: Requests

    /// The first one of a stream.
    package mutating func opening() -> [UInt8] {
        hasNamedNode = false
        nonce = ""
        if isIncremental {
            var request = incremental()
            request.resourceNamesSubscribe = names.sorted()
            request.initialResourceVersions = versions
            return encoded(request)
        }
        return encoded(world())
    }

    /// Others are wanted from here on, on a stream that is open. Nil: they are the same.
    package mutating func ask(for wanted: Set<String>) -> [UInt8]? {
        guard names != wanted else { return nil }
        let before = names
        names = wanted
        if isIncremental {
            var request = incremental()
            request.resourceNamesSubscribe = wanted.subtracting(before).sorted()
            request.resourceNamesUnsubscribe = before.subtracting(wanted).sorted()
            for name in request.resourceNamesUnsubscribe { versions[name] = nil }
            return encoded(request)
        }
        var request = world()
        request.responseNonce = nonce
        return encoded(request)
    }

    /// The next stream asks for these.
    package mutating func want(_ wanted: Set<String>) {
        names = wanted
        versions = versions.filter { wanted.contains($0.key) }
    }

    /// REST: each request begins anew.
    package mutating func fetching() -> [UInt8] {
        hasNamedNode = false
        return Array(MessageJSON().text(world()).utf8)
    }

    package mutating func accept(_ update: DiscoveryUpdate) -> [UInt8] {
        nonce = update.nonce
        if isIncremental {
            for resource in update.resources where names.isEmpty || names.contains(resource.name) { versions[resource.name] = resource.version }
            for name in update.removed { versions[name] = nil }
            var request = incremental()
            request.responseNonce = update.nonce
            return encoded(request)
        }
        version = update.version
        var request = world()
        request.responseNonce = update.nonce
        return encoded(request)
    }

    /// What was accepted before goes on.
    package mutating func refuse(_ update: DiscoveryUpdate, _ refusal: DiscoveryRefusal) -> [UInt8] {
        nonce = update.nonce
        var error = Google_Rpc_Status()
        error.code = DiscoverySession.refusedCode
        error.message = ShownText.of(refusal.reason)
        if isIncremental {
            var request = incremental()
            request.responseNonce = update.nonce
            request.errorDetail = error
            return encoded(request)
        }
        var request = world()
        request.responseNonce = update.nonce
        request.errorDetail = error
        return encoded(request)
    }

    /// INTERNAL, as Envoy says.
    private static let refusedCode: Int32 = 13

    private mutating func world() -> Envoy_Service_Discovery_V3_DiscoveryRequest {
        var request = Envoy_Service_Discovery_V3_DiscoveryRequest()
        request.typeURL = typeURL
        request.resourceNames = names.sorted()
        request.versionInfo = version
        if namesNode() { request.node = node }
        return request
    }

    private mutating func incremental() -> Envoy_Service_Discovery_V3_DeltaDiscoveryRequest {
        var request = Envoy_Service_Discovery_V3_DeltaDiscoveryRequest()
        request.typeURL = typeURL
        if namesNode() { request.node = node }
        return request
    }

    /// `set_node_on_first_message_only`.
    private mutating func namesNode() -> Bool {
        defer { hasNamedNode = true }
        return !(namesNodeOnce && hasNamedNode)
    }

    // Messages of proto3 have no required fields: encoding cannot fail.
    private func encoded(_ request: Envoy_Service_Discovery_V3_DiscoveryRequest) -> [UInt8] { (try? request.serializedBytes()) ?? [] }
    private func encoded(_ request: Envoy_Service_Discovery_V3_DeltaDiscoveryRequest) -> [UInt8] { (try? request.serializedBytes()) ?? [] }

    // MARK: Responses

    package enum Response {
        case update(DiscoveryUpdate)
        /// It says something of another type: passed over.
        case foreign
        /// It is none: the stream cannot go on.
        case malformed
    }

    package func read(_ bytes: [UInt8]) -> Response {
        var update = DiscoveryUpdate()
        if isIncremental {
            guard let response = try? Envoy_Service_Discovery_V3_DeltaDiscoveryResponse(serializedBytes: bytes) else { return .malformed }
            guard response.typeURL == typeURL else { return .foreign }
            update.version = response.systemVersionInfo
            update.nonce = response.nonce
            update.server = response.controlPlane.identifier
            update.removed = response.removedResources
            update.resources = response.resources.map { resource in
                DiscoveredResource(
                    name: resource.name, version: resource.version, typeURL: resource.resource.typeURL, bytes: [UInt8](resource.resource.value))
            }
            return .update(update)
        }
        guard let response = try? Envoy_Service_Discovery_V3_DiscoveryResponse(serializedBytes: bytes) else { return .malformed }
        guard response.typeURL == typeURL else { return .foreign }
        update.version = response.versionInfo
        update.nonce = response.nonce
        update.server = response.controlPlane.identifier
        update.resources = response.resources.compactMap { DiscoveredResource(world: $0, version: response.versionInfo) }
        return .update(update)
    }

    /// REST: the body of an answer. `path`: whose answer it is.
    package func read(json: [UInt8], _ path: String) throws(DiscoveryRefusal) -> DiscoveryUpdate {
        let read: ReadMessage<Envoy_Service_Discovery_V3_DiscoveryResponse>
        do throws(ConfigErrors) {
            // As in Envoy: a field that is not known yet is no reason to refuse the others.
            let input = ConfigReader.Input(json, name: path, format: .json, unknownFields: .warning)
            read = try ConfigReader.read(Envoy_Service_Discovery_V3_DiscoveryResponse.self, [input])
        } catch {
            let first = error.errors.first
            throw DiscoveryRefusal(
                reason: "Unable to parse JSON as proto" + (first.map { " (\($0.line):\($0.column): \($0.message))" } ?? ""))
        }
        return DiscoveryUpdate(answer: read.message)
    }

    /// A response that mixes types is refused whole.
    package func mixed(_ update: DiscoveryUpdate) -> DiscoveryRefusal? {
        guard let other = update.resources.first(where: { $0.typeURL != typeURL }) else { return nil }
        return DiscoveryRefusal(
            reason: isIncremental
                ? "type URL \(other.typeURL) embedded in an individual Any does not match the message-wide type URL \(typeURL) in DeltaDiscoveryResponse"
                : "\(other.typeURL) does not match the message-wide type URL \(typeURL) in DiscoveryResponse")
    }
}
