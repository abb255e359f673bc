// libFuzzer entry for both ends of HTTP/2. Input: see `H2Invariants`.

import Primitives

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = unsafe Bytes(UnsafeRawPointer(start), count)
    H2Invariants.check(input)
    return 0
}
