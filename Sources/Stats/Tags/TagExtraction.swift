/// Turns a full name into a family's name and its labels: `cluster.up.upstream_rq_200` becomes `cluster.upstream_rq`
/// with `envoy.response_code` and `envoy.cluster_name`. Envoy's default tags, then those of `stats_config.stats_tags`.
///
/// Each extractor looks at the whole, unchanged name; what they remove is cut out together at the end. Order of the
/// labels as Envoy prints them: extractors that look at a name's end, fixed tags, extractors bound to a first word,
/// custom ones.
package struct TagExtraction {
    /// What an extractor found: the bytes that leave the name, and those that become the value.
    package struct Match {
        package var removed: Range<Int>
        package var value: Range<Int>

        package init(removed: Range<Int>, value: Range<Int>) {
            self.removed = removed
            self.value = value
        }
    }

    /// A tag with a regular expression of the configuration's, compiled by the caller.
    package struct Custom {
        package var tag: String
        package var match: (Span<UInt8>) -> Match?

        package init(tag: String, match: @escaping (Span<UInt8>) -> Match?) {
            self.tag = tag
            self.match = match
        }
    }

    /// `use_all_default_tags`.
    package var usesDefaults = true
    /// `fixed_value` tags and `--stats-tag`.
    package var fixed: [(tag: String, value: String)] = []
    package var custom: [Custom] = []

    package init() {}

    /// Appends the Prometheus name to `family` and the label list without braces to `labels`.
    func extract(_ name: Span<UInt8>, _ scratch: inout TagScratch) {
        scratch.reset(name)
        if usesDefaults { DefaultTags.fromTheEnd(name, &scratch) }
        for (tag, value) in fixed { scratch.addLabel(tag, value) }
        if usesDefaults { DefaultTags.fromTheStart(name, &scratch) }
        for custom in custom {
            if let match = custom.match(name) { scratch.add(name, custom.tag, match) }
        }
        scratch.finish(name)
    }
}

/// The working memory of an extraction, used again and again; its results stand in `family` and `labels`.
struct TagScratch {
    /// `envoy_` + the name without what was removed, with every odd byte as `_`.
    private(set) var family: [UInt8] = []
    /// The name without what was removed: families are sorted by it.
    private(set) var extracted: [UInt8] = []
    /// `envoy_cluster_name="up",…`
    private(set) var labels: [UInt8] = []
    /// Where each dot-separated word begins; one more entry stands behind the last word's end.
    private(set) var words: [Int] = []
    private var removed: [Range<Int>] = []

    var wordCount: Int { words.count - 1 }

    mutating func reset(_ name: Span<UInt8>) {
        family.removeAll(keepingCapacity: true)
        extracted.removeAll(keepingCapacity: true)
        labels.removeAll(keepingCapacity: true)
        removed.removeAll(keepingCapacity: true)
        words.removeAll(keepingCapacity: true)
        words.append(0)
        for at in 0..<name.count where name[at] == UInt8(ascii: ".") { words.append(at + 1) }
        words.append(name.count + 1)
    }

    /// The bytes of word `index`, without its dot.
    func word(_ index: Int) -> Range<Int> {
        words[index]..<words[index + 1] - 1
    }

    mutating func add(_ name: Span<UInt8>, _ tag: String, _ match: TagExtraction.Match) {
        removed.append(match.removed)
        beginLabel(tag)
        for at in match.value { appendEscaped(name[at]) }
        labels.append(UInt8(ascii: "\""))
    }

    /// Word `index` is the value; it leaves the name with the dot behind it.
    mutating func add(_ name: Span<UInt8>, _ tag: StaticString, word index: Int) {
        let value = word(index)
        add(name, tag, removed: value.lowerBound..<min(value.upperBound + 1, name.count), value: value)
    }

    mutating func add(_ name: Span<UInt8>, _ tag: StaticString, removed range: Range<Int>, value: Range<Int>) {
        removed.append(range)
        if !labels.isEmpty { labels.append(UInt8(ascii: ",")) }
        labels.append(contentsOf: "envoy_".utf8)
        unsafe labels.append(contentsOf: UnsafeBufferPointer(start: tag.utf8Start, count: tag.utf8CodeUnitCount))
        labels.append(UInt8(ascii: "="))
        labels.append(UInt8(ascii: "\""))
        for at in value { appendEscaped(name[at]) }
        labels.append(UInt8(ascii: "\""))
    }

    mutating func addLabel(_ tag: String, _ value: String) {
        beginLabel(tag)
        for byte in value.utf8 { appendEscaped(byte) }
        labels.append(UInt8(ascii: "\""))
    }

    mutating func finish(_ name: Span<UInt8>) {
        family.append(contentsOf: "envoy_".utf8)
        removed.sort { $0.lowerBound < $1.lowerBound }
        var at = 0
        for range in removed {
            keep(name, from: at, to: range.lowerBound)
            // What two extractors both remove goes once.
            at = max(at, range.upperBound)
        }
        keep(name, from: at, to: name.count)
    }

    private mutating func keep(_ name: Span<UInt8>, from start: Int, to end: Int) {
        guard start < end else { return }
        for at in start..<end {
            extracted.append(name[at])
            family.append(Self.prometheus(name[at]))
        }
    }

    private mutating func beginLabel(_ tag: String) {
        if !labels.isEmpty { labels.append(UInt8(ascii: ",")) }
        for byte in tag.utf8 { labels.append(Self.prometheus(byte)) }
        labels.append(UInt8(ascii: "="))
        labels.append(UInt8(ascii: "\""))
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\\"): labels += [UInt8(ascii: "\\"), UInt8(ascii: "\\")]
        case UInt8(ascii: "\""): labels += [UInt8(ascii: "\\"), UInt8(ascii: "\"")]
        case UInt8(ascii: "\n"): labels += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
        default: labels.append(byte)
        }
    }

    /// Letters, digits and `_` stay.
    private static func prometheus(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            byte
        default: UInt8(ascii: "_")
        }
    }
}

extension Span<UInt8> {
    func equals(_ range: Range<Int>, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        return hasBytes(at: range.lowerBound, text)
    }

    func hasBytes(at start: Int, _ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard start >= 0, start + count <= self.count else { return false }
        for at in 0..<count where unsafe self[start + at] != text.utf8Start[at] { return false }
        return true
    }
}
