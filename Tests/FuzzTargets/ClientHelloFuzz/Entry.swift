// libFuzzer entry for the ClientHello parser. Input: a byte that chooses how long a hello may be, then a client's bytes.

import Primitives

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = unsafe Bytes(UnsafeRawPointer(start), count)
    ClientHelloInvariants.check(input)
    return 0
}
