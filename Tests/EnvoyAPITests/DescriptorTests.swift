import CEnvoyAPI
import Glibc
import Testing

/// Our messages are Envoy's: compared field by field with the public descriptors by check_descriptors.py.
@Suite struct DescriptorTests {
    @Test func oursAreEnvoys() throws {
        let script = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/check_descriptors.py"
        let path = "/tmp/martlet-descriptors-\(getpid())"
        writeDescriptors(path)
        defer { _ = unsafe unlink(path) }
        let (status, text) = run("python3 '\(script)' \(path) 2>&1")
        // 77: the script's own word for missing packages; 127: no python3.
        if status == 77 || status == 127 { try Test.cancel("the public descriptors are missing (xds-protos): \(text)") }
        #expect(status == 0, "\(text)")
    }

    private func writeDescriptors(_ path: String) {
        guard let file = unsafe fopen(path, "w") else { return }
        unsafe fwrite(martlet_descriptors, 1, martlet_descriptors_count, file)
        unsafe fclose(file)
    }

    private func run(_ command: String) -> (status: Int32, text: String) {
        guard let pipe = unsafe popen(command, "r") else { return (127, "no shell") }
        var said: [UInt8] = []
        while case let byte = unsafe getc(pipe), byte != EOF { said.append(UInt8(truncatingIfNeeded: byte)) }
        let status = unsafe pclose(pipe)
        return (status >> 8 & 0xff, String(decoding: said, as: UTF8.self))
    }
}
