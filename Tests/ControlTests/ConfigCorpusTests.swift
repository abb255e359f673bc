// The fuzzer's corpus, replayed: inputs that once reached new code, and those that once crashed.

import Glibc
import Testing

@testable import Control

@Suite struct ConfigCorpusTests {
    @Test func replay() throws {
        let folder = "\(#filePath)".split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/FuzzTargets/ConfigReaderFuzz/Corpus"
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
            ConfigInvariants.check(try FileContents.read(folder + "/" + name))
            count += 1
        }
        #expect(count >= 50)
    }
}
