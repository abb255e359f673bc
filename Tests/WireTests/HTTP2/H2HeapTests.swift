import CNghttp2
import Testing

/// nghttp2's heap: what is freed serves again, so that a session in steady state asks the system for nothing.
struct H2HeapTests {
    @Test func aSecondSessionCostsNoMemoryOfTheSystem() throws {
        let heap = try #require(unsafe martlet_h2_heap_new(0))
        defer { unsafe martlet_h2_heap_delete(heap) }
        func session() {
            var callbacks: OpaquePointer?
            unsafe _ = nghttp2_session_callbacks_new(&callbacks)
            var session: OpaquePointer?
            #expect(unsafe nghttp2_session_server_new3(&session, callbacks, nil, nil, heap.pointer(to: \.interface)) == 0)
            #expect(unsafe nghttp2_submit_settings(session, 0, nil, 0) == 0)
            var bytes: UnsafePointer<UInt8>?
            while unsafe nghttp2_session_mem_send(session, &bytes) > 0 {}
            unsafe nghttp2_session_del(session)
            unsafe nghttp2_session_callbacks_del(callbacks)
        }
        session()
        let calls = unsafe heap.pointee.system_calls
        #expect(calls > 0)
        #expect(unsafe heap.pointee.live == 0)
        for _ in 0..<100 { session() }
        #expect(unsafe heap.pointee.system_calls == calls)
        #expect(unsafe heap.pointee.live == 0)
    }

    @Test(arguments: [0, 1]) func contentsSurviveGrowth(separate: Int32) throws {
        let heap = try #require(unsafe martlet_h2_heap_new(separate))
        defer { unsafe martlet_h2_heap_delete(heap) }
        let memory = unsafe heap.pointee.interface
        var block = try #require(unsafe memory.malloc(1, heap))
        unsafe block.storeBytes(of: 7, as: UInt8.self)
        for size in [31, 32, 33, 4_000, 65_536, 65_537, 1 << 20] {
            block = try #require(unsafe memory.realloc(block, size, heap))
            #expect(unsafe block.load(as: UInt8.self) == 7)
            unsafe (block + (size - 1)).storeBytes(of: 9, as: UInt8.self)
        }
        unsafe memory.free(block, heap)
        let zeroed = try #require(unsafe memory.calloc(10, 10, heap))
        #expect((0..<100).allSatisfy { unsafe zeroed.load(fromByteOffset: $0, as: UInt8.self) == 0 })
        unsafe memory.free(zeroed, heap)
        #expect(unsafe heap.pointee.live == 0)
        #expect(unsafe memory.calloc(.max, 2, heap) == nil)
    }
}
