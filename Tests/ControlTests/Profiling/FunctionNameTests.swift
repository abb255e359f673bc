import Control
import Testing

struct FunctionNameTests {
    @Test(arguments: [
        ("Pipeline.Worker.turn() -> ()", "Pipeline.Worker.turn()"),
        ("Pipeline.Worker.feed(Swift.UnsafeMutablePointer<A>, Primitives.Bytes, buffer: Swift.Optional<Swift.UInt16>) -> Swift.Bool", "Pipeline.Worker.feed(_:_:buffer:)"),
        ("closure #1 (Swift.Optional<Swift.UnsafeMutableRawPointer>) -> Swift.Optional<Swift.Int> in Control.WorkerThread.start() throws(Ring.RingError) -> ()", "closure #1 in Control.WorkerThread.start()"),
        ("@objc closure #2 (A) -> B in M.f(x: (A, B) -> C) -> D", "closure #2 in M.f(x:)"),
        ("Pipeline.Worker.(private in _0123456789ABCDEF0123456789ABCDEF)(A) -> ()", "Pipeline.Worker.private(_:)"),
        ("Pipeline.Worker.waitNs.getter : Swift.Int64", "Pipeline.Worker.waitNs.getter"),
        ("generic specialization <Swift.UInt8> of Swift.Array.append(__owned A) -> ()", "Swift.Array.append(_:)"),
        ("function signature specialization <Arg[0] = Owned To Guaranteed> of generic specialization <X -> Y> of M.f(A) -> B", "M.f(_:)"),
        ("protocol witness for M.P.f() -> () in conformance M.S : M.P in M", "protocol witness for M.P.f() in conformance M.S in M"),
        ("static M.T.== infix(M.T, M.T) -> Swift.Bool", "static M.T.== infix(_:_:)"),
        ("", ""), ("f", "f"), ("(", "("), (")", ")"), ("()", "()"), ("f(", "f("), ("f)", "f)"), (" in _", " in _"),
        ("closure #", "closure #"), (" of ", " of "),
    ])
    func isShownShort(_ demangled: String, _ shown: String) {
        #expect(FunctionName.shown(demangled) == shown)
    }

    /// Whatever a symbol table holds.
    @Test
    func anyTextIsTaken() {
        let words = ["(", ")", "<", ">", " -> ", " in _", "A1", " of ", "closure #", " in ", ": ", ", ", "specialization", "-", "f"]
        var state: UInt64 = 7
        for _ in 0..<3000 {
            var text = ""
            for _ in 0..<8 {
                state = state &* 6_364_136_223_846_793_005 &+ 1
                text += words[Int(state >> 33) % words.count]
            }
            _ = FunctionName.shown(text)
        }
    }
}
