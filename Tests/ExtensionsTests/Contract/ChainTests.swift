// The chain itself, with filters that do nothing but stop and resume.

import Pipeline
import Primitives
import Testing
import Transport
import Wire

@Suite struct ChainTests {
    @Test(arguments: Neighbour.allCases)
    func pausingFilterKeepsTheContract(kind: Neighbour) throws {
        try FilterContract(make: { Given(Pauser(kind == .none ? .none : .resumesAtOnce)) }).check()
    }
}
