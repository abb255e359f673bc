/// The sources that the tests were built from: for tests that compare them with something else.
package enum SourceTree {
    package static let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()

    /// Names of the files right in a folder.
    package static func files(in folder: String) -> [String] {
        allFiles(under: folder).compactMap { path in
            let name = path.dropFirst(folder.count + 1)
            return name.contains("/") ? nil : String(name)
        }
    }

    /// Paths of all files below a folder.
    package static func allFiles(under folder: String) -> [String] {
        ((try? Shell.run("find '\(folder)' -type f"))?.output ?? "").split(separator: "\n").map(String.init).sorted()
    }
}
