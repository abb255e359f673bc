// What the process holds: glibc's own count of its heap, and the kernel's of resident pages.

import CMartlet
import Glibc

package struct ProcessMemory {
    /// Bytes that the program has and has not given back.
    package var allocated: UInt64 = 0
    /// Bytes that the allocator took from the system, blocks of their own included.
    package var heapSize: UInt64 = 0
    /// Bytes in the allocator's free lists.
    package var free: UInt64 = 0
    /// Bytes in blocks that were mapped one by one.
    package var mapped: UInt64 = 0
    package var physical: UInt64 = 0

    package static func now() -> ProcessMemory {
        var memory = ProcessMemory()
        let heap = martlet_heap_now()
        memory.mapped = heap.mapped
        memory.allocated = heap.used + heap.mapped
        memory.heapSize = heap.arena + heap.mapped
        memory.free = heap.free
        memory.physical = residentPages() * UInt64(sysconf(Int32(_SC_PAGESIZE)))
        return memory
    }

    /// Second number of `/proc/self/statm`.
    private static func residentPages() -> UInt64 {
        let descriptor = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return 0 }
        let numbers = bytes[..<count].split(separator: UInt8(ascii: " "))
        return numbers.count > 1 ? UInt64(String(decoding: numbers[1], as: UTF8.self)) ?? 0 : 0
    }
}
