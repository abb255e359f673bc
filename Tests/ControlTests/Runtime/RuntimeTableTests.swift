import Control
import EnvoyAPI
import Primitives
import Testing

@Suite struct RuntimeTableTests {
    private func values(_ layer: String) throws -> RuntimeValues {
        RuntimeValues(
            try ConfigReader.read(
                yaml: "layered_runtime:\n  layers:\n  - {name: base, static_layer: \(layer)}\n  - {name: admin, admin_layer: {}}\n"
            ).bootstrap)
    }

    @Test func cellsFollowTheLayers() throws {
        let table = RuntimeTable()
        let early = table.acquire("a.b")
        #expect(early.value == .none)
        var runtime = try values("{a: {b: 5}, c: 1.5}")
        table.adopt(runtime)
        #expect(early.value == .integer(5))
        #expect(table.acquire("c").value == .number(1.5))
        _ = runtime.modify([("a.b", "7")])
        table.adopt(runtime)
        #expect(early.value == .integer(7))
        _ = runtime.modify([("a.b", "")])
        table.adopt(runtime)
        #expect(early.value == .integer(5))
        table.adopt(try values("{}"))
        #expect(early.value == .none)
    }

    @Test func aCellGoesWithItsLastUser() throws {
        let table = RuntimeTable()
        let first = table.acquire("k")
        _ = table.acquire("k")
        table.release("k")
        #expect(table.cellCount == 1)
        table.adopt(try values("{k: 1}"))
        #expect(first.value == .integer(1))
        table.release("k")
        table.release("k")
        #expect(table.cellCount == 0)
        for i in 0..<200 { _ = table.acquire("k\(i)") }
        #expect(table.cellCount == 200)
        #expect(table.acquire("k").value == .integer(1))
    }

    /// What Envoy 1.40 takes for what, as tried with `/runtime_modify`.
    @Test(arguments: [
        ("100", RuntimeValue.integer(100)), ("100.0", .integer(100)), ("1.5", .number(1.5)), ("-3", .number(-3)),
        ("true", .none), ("word", .none), ("1 2", .none), ("inf", .none),
        ("numerator: 100", .fraction(numerator: 100, denominator: 100)),
        ("{numerator: 5, denominator: TEN_THOUSAND}", .fraction(numerator: 5, denominator: 10_000)),
        ("{\"numerator\": 5, \"denominator\": \"MILLION\"}", .fraction(numerator: 5, denominator: 1_000_000)),
        ("numerator: 1\ndenominator: HUNDRED", .fraction(numerator: 1, denominator: 100)),
        ("denominator: HUNDRED", .fraction(numerator: 0, denominator: 100)),
        ("numerator: -1", .none), ("denominator: DOZEN", .none), ("{other: 1}", .none), ("{}", .none),
    ])
    func texts(text: String, wanted: RuntimeValue) throws {
        let table = RuntimeTable()
        let cell = table.acquire("k")
        var runtime = try values("{}")
        _ = runtime.modify([("k", text)])
        table.adopt(runtime)
        #expect(cell.value == wanted)
    }
}
