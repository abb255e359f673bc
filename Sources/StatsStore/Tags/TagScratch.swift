import Stats

/// The working memory of an extraction, used again and again; its results stand in `extracted`, `tags` and `store`, and for
/// Prometheus in `family` and `labels`.
struct TagScratch {
    struct Tag {
        /// Both in `store`, as they are: "envoy.cluster_name", "up".
        let name: Range<Int>
        let value: Range<Int>
    }

    /// The name without what was removed: families are sorted by it.
    private(set) var extracted: [UInt8] = []
    private(set) var tags: [Tag] = []
    private(set) var store: [UInt8] = []
    /// Where each dot-separated word begins; one more entry stands behind the last word's end.
    private(set) var words: [Int] = []
    private var removed: [Range<Int>] = []
    private var defaults = DefaultTags.Choice.all

    var wordCount: Int { words.count - 1 }

    mutating func reset(_ name: Span<UInt8>, _ defaults: DefaultTags.Choice) {
        self.defaults = defaults
        extracted.removeAll(keepingCapacity: true)
        tags.removeAll(keepingCapacity: true)
        store.removeAll(keepingCapacity: true)
        removed.removeAll(keepingCapacity: true)
        words.removeAll(keepingCapacity: true)
        words.append(0)
        for at in 0..<name.count where name[at] == UInt8(ascii: ".") { words.append(at + 1) }
        words.append(name.count + 1)
    }

    /// The results of another way than by the name: `add(_:asIs:)` follows.
    mutating func begin(extracted: String) {
        self.extracted.removeAll(keepingCapacity: true)
        self.extracted += extracted.utf8
        tags.removeAll(keepingCapacity: true)
        store.removeAll(keepingCapacity: true)
    }

    /// A value that is no list of words.
    mutating func add(_ tag: [UInt8], asIs value: String) {
        let begin = store.count
        store += tag
        let end = store.count
        store += value.utf8
        tags.append(Tag(name: begin..<end, value: end..<store.count))
    }

    /// The bytes of word `index`, without its dot.
    func word(_ index: Int) -> Range<Int> {
        words[index]..<words[index + 1] - 1
    }

    func begins(_ name: Span<UInt8>, with word: [UInt8]) -> Bool {
        let first = self.word(0)
        return wordCount > 1 && first.count == word.count && first.allSatisfy { name[$0] == word[$0] }
    }

    func has(_ tag: [UInt8]) -> Bool {
        tags.contains { store[$0.name].elementsEqual(tag) }
    }

    /// A fixed value.
    mutating func add(_ tag: [UInt8], _ valueText: String) {
        let begin = store.count
        store += tag
        let end = store.count
        store += valueText.utf8
        finishTag(begin..<end)
    }

    mutating func add(_ name: Span<UInt8>, _ tag: [UInt8], _ match: TagExtraction.Match) {
        removed.append(match.removed)
        let begin = store.count
        store += tag
        let end = store.count
        for at in match.value { store.append(name[at]) }
        finishTag(begin..<end)
    }

    /// A default tag: word `index` is the value; it leaves the name with the dot behind it.
    mutating func add(_ name: Span<UInt8>, _ tag: StaticString, word index: Int) {
        let value = word(index)
        add(name, tag, removed: value.lowerBound..<min(value.upperBound + 1, name.count), value: value)
    }

    /// `tag`: without `prefix`, which nearly all default tags have.
    mutating func add(
        _ name: Span<UInt8>, _ tag: StaticString, removed range: Range<Int>, value: Range<Int>, prefix: StaticString = "envoy."
    ) {
        guard defaults.contains(tag) else { return }
        let begin = store.count
        unsafe store.append(contentsOf: UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
        unsafe store.append(contentsOf: UnsafeBufferPointer(start: tag.utf8Start, count: tag.utf8CodeUnitCount))
        let tagName = begin..<store.count
        // One that was configured under this name has come first.
        guard !tags.contains(where: { store[$0.name].elementsEqual(store[tagName]) }) else {
            store.removeSubrange(tagName)
            return
        }
        removed.append(range)
        for at in value { store.append(name[at]) }
        finishTag(tagName)
    }

    mutating func finish(_ name: Span<UInt8>) {
        removed.sort { $0.lowerBound < $1.lowerBound }
        var at = 0
        for range in removed {
            keep(name, from: at, to: range.lowerBound)
            // What two extractors both remove goes once.
            at = max(at, range.upperBound)
        }
        keep(name, from: at, to: name.count)
        while extracted.last == UInt8(ascii: ".") { extracted.removeLast() }
    }

    private mutating func keep(_ name: Span<UInt8>, from start: Int, to end: Int) {
        guard start < end else { return }
        for at in start..<end { extracted.append(name[at]) }
    }

    /// The value stands behind the name.
    private mutating func finishTag(_ name: Range<Int>) {
        let begin = name.upperBound
        // Names and values of Envoy's are lists of words: dots at the end are none.
        while store.count > begin, store.last == UInt8(ascii: ".") { store.removeLast() }
        tags.append(Tag(name: name, value: begin..<store.count))
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
