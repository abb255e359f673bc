// The fuzzer's corpus, replayed: inputs that once reached new code, and those that once crashed.

import Glibc
import Primitives
import Testing

@Suite struct H1CorpusTests {
    @Test func replay() {
        let folder = "\(#filePath)".split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/FuzzTargets/H1DecoderFuzz/Corpus"
        guard let directory = unsafe opendir(folder) else {
            Issue.record("no corpus at \(folder)")
            return
        }
        defer { unsafe closedir(directory) }
        var count = 0
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name.hasPrefix(".") { continue }
            content(folder + "/" + name).withBytes { H1Invariants.check($0) }
            count += 1
        }
        #expect(count >= 20)
    }

    private func content(_ path: String) -> [UInt8] {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        return unsafe [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
            unsafe count = max(0, read(file, buffer.baseAddress, buffer.count))
        }
    }
}
