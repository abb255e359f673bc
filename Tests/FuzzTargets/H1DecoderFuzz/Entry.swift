// libFuzzer entry for the HTTP/1 decoders. Input: one byte of options, one byte that seeds the cuts, then a peer's bytes.

import Primitives

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count >= 2 else { return 0 }
    let input = unsafe Bytes(UnsafeRawPointer(start), count)
    H1Invariants.check(input)
    return 0
}
