import Stats

/// What follows a leaf's name: nothing, or for response codes the code, its class or a word.
enum NameSuffix: Equatable {
    case none
    case code(UInt16)
    /// 1…5 for `1xx` … `5xx`.
    case codeClass(UInt16)
    case completed
    case unknown
}

/// One counter or gauge, merged over all threads.
struct StatSample {
    let suffix: NameSuffix
    let value: UInt64
    let isUsed: Bool
}

extension StatRegistry {
    /// The lines of one item of the scalars' phase, in order of their names. None while the item is not visible yet.
    func forEachSample(_ record: Record, _ item: StatSchema.Item, _ body: (StatSample) -> Void) {
        let id = record.base + item.leaf
        switch item.descriptor.kind {
        case .counter:
            let raw = rawCounter(id)
            guard isVisible(record, item, isUsed: raw != 0) else { return }
            body(StatSample(suffix: .none, value: counter(id), isUsed: raw != 0))
        case .gauge, .gaugeMax:
            let (value, isUsed) = gauge(id, item.descriptor.kind)
            guard isVisible(record, item, isUsed: isUsed) else { return }
            body(StatSample(suffix: .none, value: value, isUsed: isUsed))
        case .responseCodes, .responseCodesWithCompleted:
            guard record.rejected.contains(item.leaf) else {
                return forEachResponseCode(responseCodes(id), item.part, body)
            }
            // Codes make names of their own, each of which is judged.
            var name: [UInt8] = []
            forEachResponseCode(responseCodes(id), item.part) { sample in
                name.setName(record.prefix, item.descriptor.name, sample.suffix)
                if keeps(record, name.span) { body(sample) }
            }
        case .histogram, .textReadout:
            break
        }
    }

    func isVisible(_ record: Record, _ item: StatSchema.Item, isUsed: Bool) -> Bool {
        if record.rejected.contains(item.leaf) { return false }
        return switch item.descriptor.visibility {
        case .always: true
        case .whenUsed: isUsed
        case .whenOtherUsed(let leaf): isUsed || rawCounter(record.base + leaf) != 0
        case .whenEitherUsed(let one, let other):
            isUsed || rawCounter(record.base + one) != 0 || rawCounter(record.base + other) != 0
        }
    }

    private func forEachResponseCode(
        _ counts: [(code: UInt16, count: UInt64)], _ part: StatSchema.Item.Part, _ body: (StatSample) -> Void
    ) {
        if counts.isEmpty { return }
        func emit(_ suffix: NameSuffix, _ value: UInt64) {
            body(StatSample(suffix: suffix, value: value, isUsed: true))
        }
        switch part {
        case .whole, .codes:
            // `200` … `299`, then `2xx`: digits sort before letters.
            var at = 0
            while at < counts.count {
                let codeClass = counts[at].code / 100
                var sum: UInt64 = 0
                while at < counts.count, counts[at].code / 100 == codeClass {
                    if codeClass > 0 { emit(.code(counts[at].code), counts[at].count) }
                    sum &+= counts[at].count
                    at += 1
                }
                if codeClass > 0 { emit(.codeClass(codeClass), sum) }
            }
        case .completed:
            emit(.completed, counts.reduce(0) { $0 &+ $1.count })
        case .unknown:
            for (code, count) in counts where code == ResponseCodeBlock.unknownCode { emit(.unknown, count) }
        }
    }
}

extension OutputBuffer {
    mutating func append(_ name: StatName) {
        unsafe append(name.buffer)
    }

    mutating func append(_ suffix: NameSuffix) {
        switch suffix {
        case .none: break
        case .code(let code): append(UInt64(code))
        case .codeClass(let codeClass):
            append(UInt64(codeClass))
            append("xx")
        case .completed: append("completed")
        case .unknown: append("unknown")
        }
    }
}

extension [UInt8] {
    /// Becomes the full name, for filters, matchers and tags to look at.
    mutating func setName(_ prefix: StatName, _ leaf: StaticString, _ suffix: NameSuffix) {
        removeAll(keepingCapacity: true)
        unsafe append(contentsOf: prefix.buffer)
        unsafe append(contentsOf: UnsafeBufferPointer(start: leaf.utf8Start, count: leaf.utf8CodeUnitCount))
        switch suffix {
        case .none: break
        case .code(let code): append(contentsOf: "\(code)".utf8)
        case .codeClass(let codeClass): append(contentsOf: "\(codeClass)xx".utf8)
        case .completed: append(contentsOf: "completed".utf8)
        case .unknown: append(contentsOf: "unknown".utf8)
        }
    }
}
