// `--enable-fine-grain-logging`: levels per source file instead of per component, as in Envoy. A pattern with a slash is held
// against the whole path (`Control/Server.swift`), one without against the file's name without its ending; the first rule that
// matches decides, then the component's group, then the level of all.

package struct FineGrainLevels {
    private var standard: LogLevel
    private var rules: [(pattern: [UInt8], level: LogLevel)] = []
    private var groups: [String: LogLevel] = [:]
    /// Files that have written, or wanted to, in order.
    private(set) var files: [String: String] = [:]

    package init(_ level: LogLevel) { standard = level }

    /// `?level=`: of all files, whatever was said before.
    package mutating func setAll(_ level: LogLevel) {
        standard = level
        rules = []
        groups = [:]
    }

    /// `?paths=`: replaces the rules.
    package mutating func set(_ changes: [(pattern: String, level: LogLevel)]) {
        rules = changes.map { (Array($0.pattern.utf8), $0.level) }
    }

    /// `?group=`
    package mutating func setGroup(_ component: String, _ level: LogLevel) { groups[component] = level }

    package func level(_ file: String, _ component: String) -> LogLevel {
        let path = Array(file.utf8)
        let name = path[(path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)...]
        let stem = Array(name[..<(name.lastIndex(of: UInt8(ascii: ".")) ?? name.endIndex)])
        for rule in rules {
            let isPath = rule.pattern.contains(UInt8(ascii: "/"))
            if FineGrainLevels.matches(rule.pattern[...], isPath ? path[...] : stem[...]) { return rule.level }
        }
        return groups[component] ?? standard
    }

    package mutating func note(_ file: String, _ component: String) { if files[file] == nil { files[file] = component } }

    package var list: [(file: String, level: LogLevel)] { files.sorted { $0.key < $1.key }.map { ($0.key, level($0.key, $0.value)) } }

    /// `*` and `?`. Linear: where the text does not go on after a star, only the last star gives more.
    package static func matches(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
        var at = pattern.startIndex
        var place = text.startIndex
        var star: (pattern: Int, text: Int)?
        while place < text.endIndex {
            if at < pattern.endIndex, pattern[at] == UInt8(ascii: "*") {
                star = (at, place)
                at += 1
            } else if at < pattern.endIndex, pattern[at] == UInt8(ascii: "?") || pattern[at] == text[place] {
                at += 1
                place += 1
            } else if let last = star {
                star = (last.pattern, last.text + 1)
                at = last.pattern + 1
                place = last.text + 1
            } else {
                return false
            }
        }
        return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
