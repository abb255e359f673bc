import Control
import EnvoyAPI
import Glibc
import TestSupport
import Testing

/// `disk_layer` as Envoy 1.40 reads it.
struct RuntimeDiskTests {
    private let directory = TemporaryDirectory()

    private func put(_ name: String, _ text: String) {
        var path = directory.path
        for part in name.split(separator: "/").dropLast() {
            path += "/" + part
            unsafe _ = mkdir(path, 0o755)
        }
        Files.write(Array(text.utf8), to: directory.path + "/" + name)
    }

    private func values(_ layers: String, cluster: String = "clus") throws -> RuntimeValues {
        let document = try ConfigReader.read(yaml: "node: {id: n1, cluster: \(cluster)}\nlayered_runtime: {layers: [\(layers)]}")
        return RuntimeValues(document.bootstrap)
    }

    private func disk(_ more: String) -> String { "{name: d, disk_layer: {symlink_root: \(directory.path), \(more)}}" }

    @Test func filesAreKeys() throws {
        put("sub/num", "42 \n")
        put("sub/routing/flag", "# why\ntrue\n#more")
        put("sub/.hidden", "x")
        let runtime = try values("{name: s, static_layer: {num: 1}}, \(disk("subdirectory: sub"))")
        #expect(runtime.layers == ["s", "d"])
        #expect(runtime.entries.map(\.key) == [".hidden", "num", "routing.flag"])
        #expect(runtime.entries.map(\.finalValue) == ["x", "42", "true"])
        #expect(!runtime.hasOverrideDirectory && runtime.failure == nil)
    }

    @Test func theServiceClusterHasALayerOfItsOwn() throws {
        put("over/clus/num", "43")
        #expect(try values(disk("subdirectory: over, append_service_cluster: true")).entries.map(\.finalValue) == ["43"])
        #expect(try values(disk("subdirectory: over, append_service_cluster: true")).hasOverrideDirectory)
        let other = try values(disk("subdirectory: over, append_service_cluster: true"), cluster: "other")
        #expect(other.layers.isEmpty && !other.hasOverrideDirectory)
    }

    @Test func aDirectoryThatIsNotThereIsNoLayer() throws {
        let runtime = try values("\(disk("subdirectory: nope")), {name: a, admin_layer: {}}")
        #expect(runtime.layers == ["a"] && runtime.failure == nil)
    }

    @Test func whatIsTooDeepIsAFailure() throws {
        put(String(repeating: "d/", count: 18) + "x", "1")
        #expect(try values(disk("subdirectory: d")).failure == "Walk recursion depth exceeded 16")
    }

    @Test func whatIsTooLargeIsAFailure() throws {
        put("sub/large", String(repeating: "x", count: 1 << 20 + 1))
        #expect(try values(disk("subdirectory: sub")).failure?.hasPrefix("unable to read file: ") == true)
    }

    /// A pipe has no end until somebody writes to it.
    @Test func whatIsNoFileIsLeftOut() throws {
        put("sub/num", "1")
        unsafe _ = mkfifo(directory.path + "/sub/pipe", 0o644)
        #expect(try values(disk("subdirectory: sub")).entries.map(\.key) == ["num"])
    }
}
