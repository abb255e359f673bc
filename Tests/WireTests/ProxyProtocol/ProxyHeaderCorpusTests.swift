// The fuzzer's corpus, replayed.

import Primitives
import TestSupport
import Testing

@Suite struct ProxyHeaderCorpusTests {
    @Test func replay() {
        let inputs = FuzzCorpus.inputs(of: "ProxyHeaderFuzz")
        for input in inputs { input.withBytes { ProxyHeaderInvariants.check($0) } }
        #expect(inputs.count >= 40)
    }
}
