// The fuzzer's corpus, replayed.

import Primitives
import TestSupport
import Testing

@Suite struct ClientHelloCorpusTests {
    @Test func replay() {
        let inputs = FuzzCorpus.inputs(of: "ClientHelloFuzz")
        for input in inputs { input.withBytes { ClientHelloInvariants.check($0) } }
        #expect(inputs.count >= 40)
    }
}
