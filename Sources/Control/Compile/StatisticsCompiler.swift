// `stats_config`, `stats_flush_interval` and their like → `StatisticsConfig`.

import EnvoyAPI
import Primitives
import Routing
import Stats
import StatsStore

struct StatisticsCompiler {
    let compilation: Compilation
    let bootstrap: Bootstrap
    let diagnostics: Diagnostics
    private let clusterNames: Set<String>
    private let place = Place.root.at("stats_config")

    init(compilation: Compilation) {
        self.compilation = compilation
        bootstrap = compilation.bootstrap
        diagnostics = compilation.diagnostics
        clusterNames = compilation.clusterNames
    }

    /// Of all that is read here.
    var hash: ContentHash {
        var hash = ContentHash()
        hash.add(bootstrap.statsConfig)
        hash.add(bootstrap.statsFlushInterval)
        for sink in bootstrap.statsSinks { hash.add(sink) }
        return hash
    }

    func compile() -> StatisticsConfig {
        var config = StatisticsConfig()
        compileFlush(&config)
        let message = bootstrap.statsConfig
        compileTags(message, &config)
        if message.statsMatcher.statsMatcher != .rejectAll(false) {
            config.matcher = StatNameMatcher.compile(message.statsMatcher, place.at("stats_matcher"), diagnostics)
        }
        for (i, setting) in message.histogramBucketSettings.enumerated() {
            // Settings that only say how many bins to begin with leave the bounds to others.
            guard !setting.buckets.isEmpty,
                let matchers = StringMatchers.compile([setting.match], place.at("histogram_bucket_settings", i).at("match"), diagnostics)
            else { continue }
            config.buckets.settings.append(({ matchers.matches($0) }, setting.buckets.sorted()))
        }
        config.sinks = StatsSinkCompiler(compilation: compilation, bootstrap: bootstrap, diagnostics: diagnostics, clusterNames: clusterNames)
            .compile()
        return config
    }

    private func compileFlush(_ config: inout StatisticsConfig) {
        if bootstrap.hasStatsFlushInterval {
            config.flushIntervalMs = max(1, bootstrap.statsFlushInterval.milliseconds)
            if bootstrap.statsFlushOnAdmin {
                diagnostics.error(
                    Place.root.at("stats_flush_on_admin"),
                    "Only one of stats_flush_interval or stats_flush_on_admin should be set!")
            }
        }
        config.flushesOnAdmin = bootstrap.statsFlushOnAdmin
        guard case .statsEvictionInterval(let interval)? = bootstrap.statsEviction else { return }
        // Nothing is ever evicted: no statistic here is made by requests and kept by name without a bound.
        if interval.milliseconds % config.flushIntervalMs != 0 {
            diagnostics.error(
                Place.root.at("stats_eviction_interval"),
                "stats_eviction_interval must be a multiple of stats_flush_interval")
        }
    }

    private func compileTags(_ message: StatsConfig, _ config: inout StatisticsConfig) {
        let usesDefaults = !message.hasUseAllDefaultTags || message.useAllDefaultTags.value
        let overrides = message.hasAllowDefaultTagOverrides && message.allowDefaultTagOverrides.value
        var named: Set<String> = []
        var overridden: Set<String> = []
        for (i, tag) in message.statsTags.enumerated() {
            let place = self.place.at("stats_tags", i)
            guard !tag.tagName.isEmpty else {
                diagnostics.error(place.at("tag_name"), "tag_name cannot be empty")
                continue
            }
            let defaultName = tag.tagName.hasPrefix("envoy.") ? String(tag.tagName.dropFirst(6)) : ""
            let isDefault = DefaultTags.names.contains(defaultName)
            switch tag.tagValue {
            case .fixedValue(let value): config.tags.append(.init(tag.tagName, .fixed(value)))
            case .regex(let pattern) where !pattern.isEmpty:
                do throws(TagRegex.Invalid) {
                    let regex = try TagRegex(pattern)
                    config.tags.append(
                        .init(tag.tagName, firstWord: TagRegex.firstWord(pattern), .match { regex.match($0) }))
                } catch {
                    diagnostics.error(
                        place.at("regex"), "Invalid regex '\(pattern)': \(error.message)",
                        expected: "a regular expression of ECMAScript")
                }
            default:
                guard isDefault else {
                    diagnostics.error(
                        place, "No regex specified for tag specifier and no default regex for name: '\(tag.tagName)'",
                        suggestion: nearestName(tag.tagName, DefaultTags.names.map { "envoy." + $0 }))
                    continue
                }
                named.insert(defaultName)
                continue
            }
            if isDefault, overrides { overridden.insert(defaultName) }
        }
        if !usesDefaults {
            config.defaults = .only(named)
        } else if !overridden.isEmpty {
            config.defaults = .allBut(overridden)
        }
    }
}

extension StatNameMatcher {
    /// Nil where there is none.
    static func compile(_ message: StatsMatcher, _ place: Place, _ diagnostics: Diagnostics) -> StatNameMatcher? {
        switch message.statsMatcher {
        case .rejectAll(let rejects): StatNameMatcher { _ in !rejects }
        case .inclusionList(let list):
            StringMatchers.compile(list.patterns, place.at("inclusion_list"), diagnostics).map { matchers in StatNameMatcher { matchers.matches($0) } }
        case .exclusionList(let list):
            StringMatchers.compile(list.patterns, place.at("exclusion_list"), diagnostics).map { matchers in StatNameMatcher { !matchers.matches($0) } }
        case nil: nil
        }
    }
}

extension StringMatchers {
    fileprivate static func compile(_ messages: [StringMatcher], _ place: Place, _ diagnostics: Diagnostics) -> StringMatchers? {
        do throws(RegexProgram.Invalid) {
            return try StringMatchers(messages)
        } catch {
            diagnostics.error(place, "Invalid regex: \(error.message)")
            return nil
        }
    }

    fileprivate func matches(_ name: Span<UInt8>) -> Bool {
        unsafe name.withUnsafeBufferPointer { buffer in
            unsafe matches(buffer.baseAddress.map { unsafe Bytes($0, buffer.count) } ?? .empty)
        }
    }
}
