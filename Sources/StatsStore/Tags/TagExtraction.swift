import Stats

/// Turns a full name into a family's name and its tags: `cluster.up.upstream_rq_200` becomes `cluster.upstream_rq`
/// with `envoy.response_code` and `envoy.cluster_name`. Envoy's default tags, then those of `stats_config.stats_tags`.
///
/// Each extractor looks at the whole, unchanged name; what they remove is cut out together at the end. A name has a tag
/// once: whoever comes second neither adds nor removes. The order is Envoy's, and with it that of the labels: extractors
/// that look at any name (defaults, fixed values, custom ones), then those bound to a first word (defaults, custom ones).
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

    /// A tag of the configuration's.
    package struct Custom {
        package enum Source {
            case fixed(String)
            /// A regular expression, compiled by the caller.
            case match((Span<UInt8>) -> Match?)
        }

        package let tag: [UInt8]
        package let source: Source
        /// Asked only for names that have several words and begin with this one.
        package let firstWord: [UInt8]?

        package init(_ tag: String, firstWord: String? = nil, _ source: Source) {
            self.tag = Array(tag.utf8)
            self.firstWord = firstWord.map { Array($0.utf8) }
            self.source = source
        }
    }

    /// The default tags in use.
    package var defaults = DefaultTags.Choice.all
    /// `--stats-tag`: before the configuration's.
    package var commandLine: [Custom] = []
    /// In the order of the configuration.
    package var custom: [Custom] = []

    package init() {}

    /// Those that every statistic has, the first of each name.
    var fixed: [(name: [UInt8], value: String)] {
        var tags: [(name: [UInt8], value: String)] = []
        for extractor in commandLine + custom {
            guard case .fixed(let value) = extractor.source, !tags.contains(where: { $0.name == extractor.tag }) else { continue }
            tags.append((extractor.tag, value))
        }
        return tags
    }

    /// Leaves name and tags in `scratch`.
    func extract(_ name: Span<UInt8>, _ scratch: inout TagScratch) {
        scratch.reset(name, defaults)
        // Those that are named one by one are part of the configuration, which stands behind the command line.
        if !defaults.isSelection { DefaultTags.unbound(name, &scratch) }
        add(commandLine, bound: false, name, &scratch)
        if defaults.isSelection { DefaultTags.unbound(name, &scratch) }
        add(custom, bound: false, name, &scratch)
        DefaultTags.bound(name, &scratch)
        add(custom, bound: true, name, &scratch)
        scratch.finish(name)
    }

    private func add(_ extractors: [Custom], bound: Bool, _ name: Span<UInt8>, _ scratch: inout TagScratch) {
        for extractor in extractors where (extractor.firstWord != nil) == bound {
            if let word = extractor.firstWord, !scratch.begins(name, with: word) { continue }
            if scratch.has(extractor.tag) { continue }
            switch extractor.source {
            case .fixed(let value): scratch.add(extractor.tag, value)
            case .match(let match):
                if let match = match(name) { scratch.add(name, extractor.tag, match) }
            }
        }
    }
}
