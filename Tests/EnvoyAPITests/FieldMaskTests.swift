import EnvoyAPI
import Testing

/// Masks of `/config_dump`: which are valid, and what is left.
struct FieldMaskTests {
    private static let cluster = "envoy.config.cluster.v3.Cluster"

    @Test(arguments: [
        ([["name"]], true), ([["circuit_breakers", "thresholds"]], true), ([[]], true), ([], true),
        ([["bogus"]], false), ([["load_assignment", "endpoints", "priority"]], false),
        ([["name", "x"]], false), ([["name"], ["bogus"]], false), ([["connectTimeout"]], false), ([[""]], false),
    ] as [([[String]], Bool)])
    func validity(_ paths: [[String]], _ isValid: Bool) {
        #expect(FieldMask(paths).isValid(for: FieldMaskTests.cluster) == isValid)
    }

    @Test
    func anUnknownTypeHasNoFields() {
        #expect(!FieldMask([["name"]]).isValid(for: "envoy.nothing"))
    }

    @Test
    func onlyWhatIsNamedIsPrinted() {
        var message = Envoy_Config_Cluster_V3_Cluster()
        message.name = "up"
        message.altStatName = "other"
        message.connectTimeout.seconds = 1
        message.loadAssignment.clusterName = "up"
        message.loadAssignment.policy.overprovisioningFactor = .init(140)
        func text(_ paths: [[String]]) -> String { MessageJSON().text(message, mask: FieldMask(paths)) }
        #expect(text([["name"]]) == "{\n \"name\": \"up\"\n}")
        #expect(text([["load_assignment", "cluster_name"]]) == "{\n \"load_assignment\": {\n  \"cluster_name\": \"up\"\n }\n}")
        #expect(text([["health_checks"]]) == "{}")
        #expect(text([]) == "{}")
        #expect(text([[]]) == MessageJSON().text(message))
        #expect(text([["load_assignment"], ["load_assignment", "policy"]]).contains("cluster_name"))
    }
}
