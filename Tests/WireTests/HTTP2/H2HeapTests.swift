import CNghttp2
import Testing

/// nghttp2's heap: what is freed serves again, so that a session in steady state asks the system for nothing.
struct H2HeapTests {
    @Test func aSecondSessionCostsNoMemoryOfTheSystem() {
        guard let heap = unsafe martlet_h2_heap_new(0) else { return #expect(Bool(false), "no memory") }
        defer { unsafe martlet_h2_heap_delete(heap) }
        func session() -> Bool {
            var callbacks: OpaquePointer?
            guard unsafe nghttp2_session_callbacks_new(&callbacks) == 0 else { return false }
            defer { unsafe nghttp2_session_callbacks_del(callbacks) }
            var session: OpaquePointer?
            guard unsafe nghttp2_session_server_new3(&session, callbacks, nil, nil, heap.pointer(to: \.interface)) == 0 else {
                return false
            }
            let code = unsafe nghttp2_submit_settings(session, 0, nil, 0)
            var bytes: UnsafePointer<UInt8>?
            while unsafe nghttp2_session_mem_send(session, &bytes) > 0 {}
            unsafe nghttp2_session_del(session)
            return code == 0
        }
        #expect(session())
        let calls = unsafe heap.pointee.system_calls
        let live = unsafe heap.pointee.live
        #expect(calls > 0)
        #expect(live == 0)
        for _ in 0..<100 { #expect(session()) }
        let callsLater = unsafe heap.pointee.system_calls
        let liveLater = unsafe heap.pointee.live
        #expect(callsLater == calls)
        #expect(liveLater == 0)
    }

    @Test(arguments: [0, 1]) func contentsSurviveGrowth(separate: Int32) {
        guard let heap = unsafe martlet_h2_heap_new(separate), var block = unsafe heap.pointee.interface.malloc(1, heap) else {
            return #expect(Bool(false), "no memory")
        }
        defer { unsafe martlet_h2_heap_delete(heap) }
        unsafe block.storeBytes(of: 7, as: UInt8.self)
        for size in [31, 32, 33, 4_000, 65_536, 65_537, 1 << 20] {
            guard let larger = unsafe heap.pointee.interface.realloc(block, size, heap) else {
                return #expect(Bool(false), "no memory")
            }
            unsafe block = larger
            let first = unsafe block.load(as: UInt8.self)
            #expect(first == 7)
            unsafe (block + (size - 1)).storeBytes(of: 9, as: UInt8.self)
            unsafe block.storeBytes(of: 7, as: UInt8.self)
        }
        unsafe heap.pointee.interface.free(block, heap)
        guard let zeroed = unsafe heap.pointee.interface.calloc(10, 10, heap) else { return #expect(Bool(false), "no memory") }
        var sum = 0
        for i in 0..<100 { sum += unsafe Int(zeroed.load(fromByteOffset: i, as: UInt8.self)) }
        #expect(sum == 0)
        unsafe heap.pointee.interface.free(zeroed, heap)
        let live = unsafe heap.pointee.live
        #expect(live == 0)
        let impossible = unsafe heap.pointee.interface.calloc(.max, 2, heap) == nil
        #expect(impossible)
    }
}
