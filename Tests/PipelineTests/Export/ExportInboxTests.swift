import Pipeline
import Primitives
import Testing

/// The ring of batches between main and the worker that sends them.
struct ExportInboxTests {
    private func batch(_ config: UnsafePointer<ExportConfig>, _ number: Int) -> ExportBatch {
        let base = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)
        unsafe base.storeBytes(of: number, as: Int.self)
        return unsafe ExportBatch(config: config, base: base, count: 8, items: number)
    }

    private func put(_ batch: ExportBatch, _ inbox: ExportInbox) { #expect(inbox.put(batch)) }
    private func drop(_ batch: ExportBatch?) { if let batch { unsafe batch.base.deallocate() } }

    @Test func batchesComeOutAsTheyWentIn() {
        let inbox = ExportInbox()
        defer { inbox.destroy() }
        let arena = FrozenArena()
        let config = unsafe arena.store(ExportConfig())
        #expect(inbox.isEmpty)
        #expect(inbox.take()?.items == nil)
        // Round and round: places are used again.
        for round in 0..<5 {
            for i in 0..<40 { unsafe put(batch(config, round * 100 + i), inbox) }
            #expect(!inbox.isEmpty)
            for i in 0..<40 {
                let found = inbox.take()
                #expect(found?.items == round * 100 + i)
                drop(found)
            }
            #expect(inbox.isEmpty)
        }
    }

    @Test func aFullRingRefuses() {
        let inbox = ExportInbox()
        let arena = FrozenArena()
        let config = unsafe arena.store(ExportConfig())
        for i in 0..<Int(ExportInbox.places) { unsafe put(batch(config, i), inbox) }
        let late = unsafe batch(config, 1000)
        #expect(!inbox.put(late))
        drop(inbox.take())
        #expect(inbox.put(late))
        #expect(!inbox.put(late), "and is full again")
        // What is left is freed with it.
        inbox.destroy()
    }
}
