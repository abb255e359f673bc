import CMartlet
import Glibc
import Testing

/// The stack walker on whatever registers and stacks hold: it runs in a signal handler, where there is no second chance.
struct UnwindTests {
    private struct Random {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 16 ^ state << 40
        }
    }

    private func modules() -> [martlet_module_facts] {
        martlet_list_modules()
        var all = unsafe [martlet_module_facts]()
        while true {
            let facts = unsafe martlet_module_facts_of(all.count)
            if unsafe facts.start == 0 { return unsafe all }
            unsafe all.append(facts)
        }
    }

    @Test
    func theProgramIsTheFirstModule() {
        let all = unsafe modules()
        #expect(all.count > 3)
        #expect(unsafe String(cString: all[0].path) == "/proc/self/exe")
        #expect(unsafe all.allSatisfy { unsafe $0.end > $0.start })
        #expect(unsafe all.contains { unsafe String(cString: $0.path).contains("libc.so") && $0.build_id_bytes == 20 })
    }

    /// Anywhere in the code of any module, with stacks of addresses of code, of the stack, and of nothing.
    @Test
    func anyRegistersAndAnyStackAreTaken() {
        let all = unsafe modules()
        let words = 512
        let stack = UnsafeMutablePointer<UInt>.allocate(capacity: words)
        defer { unsafe stack.deallocate() }
        let low = UInt(bitPattern: stack)
        let high = low + UInt(words * 8)
        var random = Random(state: 42)
        func code() -> UInt {
            let module = unsafe all[Int(random.next() % UInt64(all.count))]
            return unsafe module.start + UInt(random.next() % UInt64(module.end - module.start))
        }
        func value() -> UInt {
            switch random.next() % 4 {
            case 0: code()
            case 1: low + UInt(random.next() % UInt64(words)) * 8
            case 2: UInt(random.next() % 64)
            default: UInt(random.next())
            }
        }
        var frames = [UInt64](repeating: 0, count: Int(martlet_frames_max))
        var longest = 0
        for _ in 0..<20_000 {
            for i in 0..<words { unsafe stack[i] = value() }
            var registers = martlet_registers()
            unsafe withUnsafeMutableBytes(of: &registers.values) { bytes in
                for i in 0..<17 { unsafe bytes.storeBytes(of: value(), toByteOffset: i * 8, as: UInt.self) }
                unsafe bytes.storeBytes(of: code(), toByteOffset: 16 * 8, as: UInt.self)
                if random.next() % 8 != 0 {
                    let place = low + UInt(random.next() % UInt64(words))
                    unsafe bytes.storeBytes(of: place * 8 / 8, toByteOffset: 7 * 8, as: UInt.self)
                }
            }
            registers.stack_low = low
            registers.stack_high = high
            let count = unsafe martlet_unwind(&registers, &frames, frames.count)
            #expect(count >= 1 && count <= frames.count)
            longest = max(longest, count)
        }
        #expect(longest > 2)
    }

    /// Files that were cut, and files in which bytes were changed.
    @Test
    func anyFileOfSymbolsIsTaken() throws {
        var file = unsafe martlet_symbol_file()
        let path = "/lib/x86_64-linux-gnu/libdl.so.2"
        try #require(unsafe martlet_symbols_open(path, &file) == 0)
        let whole = unsafe Array(UnsafeBufferPointer(start: file.bytes, count: file.count))
        unsafe martlet_symbols_close(&file)
        let addresses = (0..<600).map { UInt64($0 * 32) }
        var random = Random(state: 7)
        func look(_ bytes: [UInt8]) -> Int {
            bytes.withUnsafeBufferPointer { buffer in
                var file = unsafe martlet_symbol_file(bytes: buffer.baseAddress, count: buffer.count)
                var symbols = unsafe [martlet_symbol](repeating: martlet_symbol(), count: addresses.count)
                unsafe martlet_symbols_find(&file, addresses, addresses.count, &symbols)
                return unsafe symbols.filter { unsafe $0.name != nil }.reduce(0) { unsafe $0 + strlen($1.name) }
            }
        }
        #expect(look(whole) > 0)
        for cut in stride(from: 0, through: whole.count, by: 61) { _ = look(Array(whole[..<cut])) }
        for _ in 0..<3000 {
            var bytes = whole
            // The header and the table of sections, whose place is in it, more often than the rest.
            for _ in 0..<4 {
                let place = random.next() % 2 == 0 ? Int(random.next() % 64) : bytes.count - 1 - Int(random.next() % 2048)
                bytes[max(0, place)] = UInt8(truncatingIfNeeded: random.next())
            }
            _ = look(bytes)
        }
        #expect(unsafe martlet_symbols_open("/nowhere", &file) != 0)
        #expect(unsafe martlet_symbols_open("/proc", &file) != 0)
    }

    @Test
    func namesAreDemangled() {
        let swift = unsafe martlet_demangled("$s8Pipeline6WorkerC4turnyyF")
        defer { unsafe free(swift) }
        #expect(unsafe swift.map { unsafe String(cString: $0) } == "Pipeline.Worker.turn() -> ()")
        let cpp = unsafe martlet_demangled("_ZNSt6vectorIiSaIiEE4sizeEv")
        defer { unsafe free(cpp) }
        #expect(unsafe cpp.map { unsafe String(cString: $0) } == "std::vector<int, std::allocator<int> >::size()")
        #expect(unsafe martlet_demangled("malloc") == nil)
    }
}
