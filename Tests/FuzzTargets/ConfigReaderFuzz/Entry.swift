// libFuzzer entry for the configuration reader and the compilers behind it. Input: one byte that says what follows, then
// a file's bytes.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count >= 1 else { return 0 }
    unsafe ConfigInvariants.check(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}
