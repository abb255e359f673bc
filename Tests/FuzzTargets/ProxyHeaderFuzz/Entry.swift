// libFuzzer entry for the PROXY header's reader and writer. Input: a byte of options, then a connection's first bytes.

import Primitives

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = unsafe Bytes(UnsafeRawPointer(start), count)
    ProxyHeaderInvariants.check(input)
    return 0
}
