import Control
import EnvoyAPI
import Testing

/// Both protocols of discovery, as messages: what is asked for, accepted, refused, and how the next stream begins.
@Suite struct DiscoverySessionTests {
    private typealias Request = Envoy_Service_Discovery_V3_DiscoveryRequest
    private typealias Response = Envoy_Service_Discovery_V3_DiscoveryResponse
    private typealias DeltaRequest = Envoy_Service_Discovery_V3_DeltaDiscoveryRequest
    private typealias DeltaResponse = Envoy_Service_Discovery_V3_DeltaDiscoveryResponse

    private static let type = "type.googleapis.com/a.B"

    private func session(isIncremental: Bool = false, names: [String] = ["b", "a"], once: Bool = false) -> DiscoverySession {
        var node = Envoy_Config_Core_V3_Node()
        node.id = "n"
        return DiscoverySession(
            typeURL: DiscoverySessionTests.type, isIncremental: isIncremental, names: names, node: node, namesNodeOnce: once)
    }

    private func world(_ bytes: [UInt8]) throws -> Envoy_Service_Discovery_V3_DiscoveryRequest { try .init(serializedBytes: bytes) }
    private func delta(_ bytes: [UInt8]) throws -> Envoy_Service_Discovery_V3_DeltaDiscoveryRequest { try .init(serializedBytes: bytes) }

    private func response(version: String, nonce: String, type: String = type, resources: [String] = [type]) throws -> [UInt8] {
        var response = Response()
        response.versionInfo = version
        response.nonce = nonce
        response.typeURL = type
        response.controlPlane.identifier = "who"
        for type in resources {
            var resource = AnyMessage()
            resource.typeURL = type
            response.resources.append(resource)
        }
        return try response.serializedBytes()
    }

    private func update(_ session: DiscoverySession, _ bytes: [UInt8]) throws -> DiscoveryUpdate {
        guard case .update(let update) = session.read(bytes) else { throw DiscoveryRefusal(reason: "no update") }
        return update
    }

    @Test func theStateOfTheWorldIsAskedForAcceptedAndRefused() throws {
        var session = session()
        let first = try world(session.opening())
        #expect(first.resourceNames == ["a", "b"] && first.typeURL == DiscoverySessionTests.type && first.node.id == "n")
        #expect(first.versionInfo.isEmpty && first.responseNonce.isEmpty)
        let one = try update(session, response(version: "1", nonce: "x"))
        #expect(one.server == "who" && one.version == "1" && one.resources.count == 1)
        let accepted = try world(session.accept(one))
        #expect(accepted.versionInfo == "1" && accepted.responseNonce == "x" && !accepted.hasErrorDetail && accepted.hasNode)
        let two = try update(session, response(version: "2", nonce: "y"))
        let refused = try world(session.refuse(two, DiscoveryRefusal(reason: "no")))
        #expect(refused.versionInfo == "1" && refused.responseNonce == "y")
        #expect(refused.errorDetail.code == 13 && refused.errorDetail.message == "no")
        // The next stream goes on with what was accepted.
        let again = try world(session.opening())
        #expect(again.versionInfo == "1" && again.responseNonce.isEmpty && again.resourceNames == ["a", "b"])
    }

    /// A state of the world may have its resources in a `Resource` each, some of which are heartbeats and bring nothing.
    @Test func aResourceMayBeWrapped() throws {
        func wrapped(_ resource: Envoy_Service_Discovery_V3_Resource) throws -> AnyMessage {
            var any = AnyMessage()
            any.typeURL = "type.googleapis.com/envoy.service.discovery.v3.Resource"
            any.value = try resource.serializedBytes()
            return any
        }
        var named = Envoy_Service_Discovery_V3_Resource()
        named.name = "a"
        named.version = "of its own"
        named.resource.typeURL = DiscoverySessionTests.type
        var node = NodeMessage()
        node.id = "inside"
        named.resource.value = try node.serializedBytes()
        let inside: [UInt8] = try node.serializedBytes()
        var heartbeat = Envoy_Service_Discovery_V3_Resource()
        heartbeat.name = "b"
        var response = Response()
        response.typeURL = DiscoverySessionTests.type
        response.versionInfo = "7"
        response.resources = [try wrapped(named), try wrapped(heartbeat)]
        let session = session()
        let found = try update(session, response.serializedBytes())
        #expect(found.resources.count == 1 && found.resources[0].name == "a" && found.resources[0].version == "7")
        #expect(found.resources.first?.typeURL == DiscoverySessionTests.type && found.resources.first?.bytes == inside)
        #expect(session.mixed(found) == nil)
        // What is in it is held against the response's type.
        named.resource.typeURL = "type.googleapis.com/c.D"
        response.resources = [try wrapped(named)]
        #expect(try session.mixed(update(session, response.serializedBytes())) != nil)
    }

    @Test func incrementsAreAskedForAcceptedAndRefused() throws {
        var session = session(isIncremental: true, names: ["a"])
        let first = try delta(session.opening())
        #expect(first.resourceNamesSubscribe == ["a"] && first.initialResourceVersions.isEmpty && first.node.id == "n")
        var response = DeltaResponse()
        response.systemVersionInfo = "s"
        response.typeURL = DiscoverySessionTests.type
        response.nonce = "x"
        var resource = Envoy_Service_Discovery_V3_Resource()
        resource.name = "a"
        resource.version = "7"
        resource.resource.typeURL = DiscoverySessionTests.type
        response.resources = [resource]
        let one = try update(session, response.serializedBytes())
        #expect(one.version == "s" && one.resources.first?.name == "a" && one.resources.first?.version == "7")
        let accepted = try delta(session.accept(one))
        #expect(accepted.responseNonce == "x" && accepted.resourceNamesSubscribe.isEmpty && !accepted.hasErrorDetail)
        let refused = try delta(session.refuse(one, DiscoveryRefusal(reason: "no")))
        #expect(refused.responseNonce == "x" && refused.errorDetail.message == "no")
        #expect(try delta(session.opening()).initialResourceVersions == ["a": "7"])
        response.resources = []
        response.removedResources = ["a"]
        _ = try session.accept(update(session, response.serializedBytes()))
        #expect(try delta(session.opening()).initialResourceVersions.isEmpty)
    }

    /// On a stream that is open others are asked for, and some are not any more.
    @Test func whatIsWantedChanges() throws {
        var session = session(names: ["a"])
        _ = session.opening()
        _ = try session.accept(update(session, response(version: "1", nonce: "x")))
        let request = session.ask(for: ["c", "a"])
        let asked = try world(#require(request))
        #expect(asked.resourceNames == ["a", "c"] && asked.versionInfo == "1" && asked.responseNonce == "x")
        let same = session.ask(for: ["c", "a"])
        #expect(same == nil)
        session.want(["c"])
        let again = try world(session.opening())
        #expect(again.resourceNames == ["c"] && again.versionInfo == "1" && again.responseNonce.isEmpty)
    }

    @Test func whatIsWantedOfIncrementsChanges() throws {
        var session = session(isIncremental: true, names: ["a", "b"])
        _ = session.opening()
        var response = DeltaResponse()
        response.typeURL = DiscoverySessionTests.type
        response.nonce = "x"
        response.resources = ["a", "b"].map { name in
            var resource = Envoy_Service_Discovery_V3_Resource()
            resource.name = name
            resource.version = "1"
            resource.resource.typeURL = DiscoverySessionTests.type
            return resource
        }
        _ = try session.accept(update(session, response.serializedBytes()))
        let request = session.ask(for: ["c", "a"])
        let asked = try delta(#require(request))
        #expect(asked.resourceNamesSubscribe == ["c"] && asked.resourceNamesUnsubscribe == ["b"] && asked.responseNonce.isEmpty)
        #expect(session.versions == ["a": "1"])
        session.want(["c"])
        #expect(try delta(session.opening()).initialResourceVersions.isEmpty)
    }

    @Test(arguments: [false, true]) func theNodeMayBeNamedOnce(isIncremental: Bool) throws {
        var session = session(isIncremental: isIncremental, once: true)
        let has = { (bytes: [UInt8]) in try isIncremental ? delta(bytes).hasNode : world(bytes).hasNode }
        #expect(try has(session.opening()))
        #expect(try !has(session.accept(DiscoveryUpdate())))
        #expect(try !has(session.refuse(DiscoveryUpdate(), DiscoveryRefusal(reason: ""))))
        #expect(try has(session.opening()))
    }

    @Test(arguments: [false, true]) func whatIsNotOursIsToldApart(isIncremental: Bool) throws {
        let session = session(isIncremental: isIncremental)
        if case .malformed = session.read([0xff, 0xff]) {} else { Issue.record("read as a response") }
        if case .foreign = session.read([]) {} else { Issue.record("no type is ours") }
        let bytes: [UInt8]
        if isIncremental {
            var response = DeltaResponse()
            response.typeURL = DiscoverySessionTests.type
            var resource = Envoy_Service_Discovery_V3_Resource()
            resource.resource.typeURL = "other"
            response.resources = [resource]
            bytes = try response.serializedBytes()
        } else {
            bytes = try response(version: "1", nonce: "", resources: [DiscoverySessionTests.type, "other"])
        }
        let mixed = try session.mixed(update(session, bytes))
        #expect(mixed?.reason.contains("does not match the message-wide type URL \(DiscoverySessionTests.type)") == true)
        // Cut short anywhere it is malformed, or another one; never a trap.
        for count in 0..<bytes.count { _ = session.read(Array(bytes.prefix(count))) }
    }

    @Test func pausesGrowToABound() {
        var pauses = ReconnectPauses()
        let all = { (random: UInt64) in
            var pauses = ReconnectPauses()
            return (0..<9).map { _ in pauses.next(random) }
        }
        #expect(all(0).allSatisfy { $0 == 0 })
        #expect(all(29_999) == [499, 999, 1_999, 1_999, 5_999, 13_999, 29_999, 29_999, 29_999])
        for _ in 0..<20 { _ = pauses.next(1) }
        pauses.reset()
        #expect(pauses.next(499) == 499)
        #expect(pauses.next(999) == 999)
        // As configured; less than a millisecond is one, and the bound is never below the base.
        var short = ReconnectPauses(baseMs: 0, maxMs: 0)
        #expect((0..<3).map { _ in short.next(7) } == [0, 0, 0])
        var own = ReconnectPauses(baseMs: 3, maxMs: 10)
        #expect((0..<4).map { _ in own.next(359) } == [2, 5, 9, 9])
    }
}
