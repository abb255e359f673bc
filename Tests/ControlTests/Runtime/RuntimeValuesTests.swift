import Control
import EnvoyAPI
import Testing

/// `layered_runtime` as `/runtime` shows it.
struct RuntimeValuesTests {
    private func values(_ layers: String, overrides: RuntimeValues = RuntimeValues()) throws -> RuntimeValues {
        let document = try ConfigReader.read(yaml: "layered_runtime:\n  layers:\n\(layers)")
        return RuntimeValues(document.bootstrap, overrides: overrides)
    }

    @Test
    func laterLayersWin() throws {
        let runtime = try values(
            """
              - {name: base, static_layer: {a: 1, b: {c: "x", d: true}, f: 1.5}}
              - {name: top, static_layer: {a: 2}}
            """)
        #expect(runtime.layers == ["base", "top"])
        #expect(runtime.entries.map(\.key) == ["a", "b.c", "b.d", "f"])
        #expect(runtime.entries[0].layerValues == ["1", "2"])
        #expect(runtime.entries.map(\.finalValue) == ["2", "x", "true", "1.5"])
    }

    @Test
    func theAdminLayerTakesOverrides() throws {
        var runtime = try values("  - {name: base, static_layer: {a: 1}}\n  - {name: admin, admin_layer: {}}\n")
        #expect(!runtime.hasOverrides)
        let modified = runtime.modify([("a", "5"), ("n", "y")])
        #expect(modified)
        #expect(runtime.hasOverrides)
        #expect(runtime.entries.map(\.finalValue) == ["5", "y"])
        _ = runtime.modify([("a", ""), ("n", "")])
        #expect(runtime.entries.map(\.finalValue) == ["1"])
        #expect(!runtime.hasOverrides)
    }

    @Test
    func withoutAnAdminLayerNothingIsModified() throws {
        var runtime = try values("  - {name: base, static_layer: {a: 1}}\n")
        let modified = runtime.modify([("a", "5")])
        #expect(!modified)
        #expect(runtime.entries[0].finalValue == "1")
    }

    /// A fractional percent is one value, not a folder of two.
    @Test
    func fractionsAndWhatHasNoText() throws {
        let runtime = try values(
            "  - {name: base, static_layer: {f: {numerator: 50, denominator: TEN_THOUSAND, odd: [1]}, l: [1], n: null, off: false, x: {y: {z: 1}}}}\n")
        #expect(runtime.entries.map(\.key) == ["f", "l", "n", "off", "x.y.z"])
        #expect(runtime.entries.map(\.finalValue) == ["denominator: TEN_THOUSAND\nnumerator: 50\nodd\n", "", "", "false", "1"])
    }

    @Test
    func overridesSurviveAReload() throws {
        let layers = "  - {name: base, static_layer: {a: 1}}\n  - {name: admin, admin_layer: {}}\n"
        var before = try values(layers)
        #expect(before.hasAdminLayer)
        _ = before.modify([("a", "7")])
        let after = try values(layers, overrides: before)
        #expect(after.entries.map(\.finalValue) == ["7"])
        let without = try values("  - {name: base, static_layer: {a: 1}}\n", overrides: before)
        #expect(!without.hasAdminLayer)
        #expect(without.entries.map(\.finalValue) == ["1"])
    }
}
