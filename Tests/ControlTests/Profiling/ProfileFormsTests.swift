import CMartlet
import Control
import Testing

struct ProfileFormsTests {
    private func profile() -> Profile {
        martlet_list_modules()
        var profile = Profile()
        profile.threads = ["worker_0", "a;b"]
        profile.stacks = [
            Profile.Stack(thread: 0, frames: [1, 2, 3], count: 5, value: 50),
            Profile.Stack(thread: 1, frames: [3], count: 1, value: 10),
        ]
        profile.period = 10_000_000
        profile.lost = 2
        return profile
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test
    func addressesOfNoModuleAreTheirOwnNames() {
        let profile = profile()
        let code = CodeMap(profile.stacks.map(\.frames))
        #expect(text(ProfileTexts.folded(profile, code)) == "a;b;0x3 1\nworker_0;0x2;0x1;0x1 5\n")
    }

    @Test
    func jsonNamesThreadsAndCounts() {
        let profile = profile()
        let json = text(ProfileTexts.json(profile, CodeMap(profile.stacks.map(\.frames))))
        #expect(json.contains("\"threads\":[\"worker_0\",\"a;b\"]"))
        #expect(json.contains("\"lost\":2"))
        #expect(json.contains("[0,5,50,"))
    }

    @Test
    func gperftoolsFileHasItsHeaderAndTrailer() {
        let profile = profile()
        let bytes = ProfileTexts.perftools(profile, CodeMap(profile.stacks.map(\.frames)))
        let mark = Array("--- profile\n".utf8)
        let at = bytes.indices.first { bytes[$0...].starts(with: mark) } ?? 0
        let words = stride(from: at + mark.count, to: at + mark.count + 8 * 15, by: 8).map { place in
            (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[place + $1]) << (8 * $1) }
        }
        #expect(words == [0, 3, 0, 10_000, 0, 5, 3, 1, 2, 3, 1, 1, 3, 0, 1])
    }

    @Test
    func anEmptyProfileIsWrittenToo() {
        let profile = Profile()
        let code = CodeMap([])
        #expect(ProfileTexts.folded(profile, code).isEmpty)
        #expect(!PprofFile.bytes(profile, code).isEmpty)
    }
}
