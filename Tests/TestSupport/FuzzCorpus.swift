/// The inputs of a fuzz target that are kept: what once reached new code, and what once crashed.
package enum FuzzCorpus {
    package static func inputs(of target: String) -> [[UInt8]] {
        let folder = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/FuzzTargets/\(target)/Corpus/"
        return Files.names(in: folder).sorted().compactMap { Files.read(folder + $0) }
    }
}
