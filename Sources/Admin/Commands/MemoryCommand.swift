// `/memory` and `/memory/tcmalloc`: what the allocator and the kernel say.

import Control

enum MemoryCommand {
    static let command = AdminCommand("/memory", "print current allocation/heap usage") { _, _ in
        let memory = ProcessMemory.now()
        var json = JSONWriter()
        json.object { json in
            json.member("allocated", long: memory.allocated)
            json.member("heap_size", long: memory.heapSize)
            json.member("pageheap_unmapped", long: 0)
            json.member("pageheap_free", long: memory.free)
            json.member("total_thread_cache", long: 0)
            json.member("total_physical_bytes", long: memory.physical)
        }
        return AdminResponse(json.text + "\n", contentType: AdminResponse.json)
    }

    /// The page of the allocator there is: glibc's.
    static let allocator = AdminCommand("/memory/tcmalloc", "print TCMalloc stats") { _, _ in
        let memory = ProcessMemory.now()
        func line(_ bytes: UInt64, _ text: String) -> String {
            let digits = "\(bytes)"
            return "MALLOC: " + String(repeating: " ", count: max(0, 16 - digits.count)) + digits + " " + text + "\n"
        }
        return AdminResponse(
            "glibc malloc (mallinfo2); TCMalloc is not linked\n"
                + line(memory.allocated, "Bytes in use by application") + line(memory.free, "Bytes in free lists")
                + line(memory.mapped, "Bytes in blocks of their own (mmap)")
                + line(memory.heapSize, "Bytes taken from the system")
                + line(memory.physical, "Bytes resident (/proc/self/statm)"),
            contentType: AdminResponse.plainText)
    }
}
