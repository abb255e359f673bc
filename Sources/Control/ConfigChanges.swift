/// How a configuration differs from the one before.
package struct ConfigChanges {
    package struct Count {
        package var added = 0
        package var modified = 0
        package var removed = 0
        /// The first few of each, for people.
        package var addedNames: [String] = []
        package var modifiedNames: [String] = []
        package var removedNames: [String] = []
        static let namesMax = 20

        init() {}

        /// `changed` is told each pair of which something else is served now.
        init<Live: AnyObject>(
            _ old: [Live], _ new: [Live], key: (Live) -> String, changed: (Live, Live) -> Void = { _, _ in }
        ) {
            let before = Dictionary(old.map { (key($0), $0) }, uniquingKeysWith: { first, _ in first })
            let after = Set(new.map(key))
            for live in new {
                let name = key(live)
                guard let kept = before[name] else {
                    added += 1
                    Count.keep(name, &addedNames)
                    continue
                }
                if kept === live { continue }
                modified += 1
                Count.keep(name, &modifiedNames)
                changed(kept, live)
            }
            for live in old where !after.contains(key(live)) {
                removed += 1
                Count.keep(key(live), &removedNames)
            }
        }

        private static func keep(_ name: String, _ names: inout [String]) {
            if names.count < namesMax { names.append(name) }
        }
    }

    package var listeners = Count()
    package var clusters = Count()
    /// `cluster payments: connect_timeout: 0.250s → 1s`, a line for each field.
    package var lines: [String] = []
}
