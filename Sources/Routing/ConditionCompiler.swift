// The conditions of a route, from specification to records.

import Primitives
import Wire

extension RouteTableBuilder {
    /// The index of the route's conditions, or `noIndex` when it has none.
    mutating func compileConditions(_ match: RouteMatchSpec, _ place: Place) -> UInt32 {
        var flags: ConditionFlags = []
        if match.grpcOnly { flags.insert(.grpcOnly) }
        if let presented = match.certificatePresented {
            flags.formUnion(presented ? [.asksPresented, .presented] : .asksPresented)
        }
        if let validated = match.certificateValidated {
            flags.formUnion(validated ? [.asksValidated, .validated] : .asksValidated)
        }
        let record = ConditionRecord(
            headers: compileHeaders(match.headers, place),
            queryParameters: compileQueryParameters(match.queryParameters, place),
            cookies: compileCookies(match.cookies, place),
            external: append(match.external, to: \.external),
            fraction: match.runtimeFraction ?? RuntimeFraction(Fraction(1, .hundred)),
            hasFraction: match.runtimeFraction != nil,
            flags: flags)
        let ranges = [record.headers, record.queryParameters, record.cookies, record.external]
        if flags.isEmpty, match.runtimeFraction == nil, ranges.allSatisfy({ $0.count == 0 }) { return noIndex }
        conditions.append(record)
        return UInt32(conditions.count - 1)
    }

    private mutating func append<T>(
        _ records: [T], to section: WritableKeyPath<RouteTableBuilder, [T]>
    ) -> RecordRange {
        let start = UInt32(self[keyPath: section].count)
        self[keyPath: section] += records
        return RecordRange(start: start, count: UInt32(records.count))
    }

    private mutating func compileHeaders(_ specs: [HeaderMatchSpec], _ place: Place) -> RecordRange {
        var records: [HeaderMatchRecord] = []
        for (i, spec) in specs.enumerated() {
            let value =
                switch spec.value {
                case .present(let present): presence(present)
                case .string(let string): compile(string, place, "match.headers[\(i)].string_match")
                case .range(let low, let high):
                    ValueMatchRecord(
                        kind: .range, ignoreCase: false, text: .empty, program: noIndex, low: low, high: high)
                }
            records.append(
                HeaderMatchRecord(
                    source: headerSource(spec.name), value: value, invert: spec.invert,
                    treatMissingAsEmpty: spec.treatMissingAsEmpty))
        }
        return append(records, to: \.headers)
    }

    private mutating func compileQueryParameters(
        _ specs: [QueryParameterMatchSpec], _ place: Place
    ) -> RecordRange {
        var records: [QueryParameterMatchRecord] = []
        for (i, spec) in specs.enumerated() {
            let value =
                switch spec.value {
                case .present(let present): presence(present)
                case .string(let string): compile(string, place, "match.query_parameters[\(i)].string_match")
                }
            records.append(QueryParameterMatchRecord(name: text.add(spec.name), value: value))
        }
        return append(records, to: \.queryParameters)
    }

    private mutating func compileCookies(_ specs: [CookieMatchSpec], _ place: Place) -> RecordRange {
        var records: [CookieMatchRecord] = []
        for (i, spec) in specs.enumerated() {
            records.append(
                CookieMatchRecord(
                    name: text.add(spec.name), value: compile(spec.value, place, "match.cookies[\(i)].string_match"),
                    invert: spec.invert))
        }
        return append(records, to: \.cookies)
    }

    /// Where a header matcher of this name looks.
    mutating func headerSource(_ name: String) -> HeaderSource {
        let lowered = lowercased(name)
        let string = String(decoding: lowered, as: UTF8.self)
        func pseudo(_ kind: HeaderSource.Kind) -> HeaderSource {
            HeaderSource(kind: kind, isInline: true, id: .other, name: .empty)
        }
        switch string {
        case ":path": return pseudo(.path)
        case ":method": return pseudo(.method)
        // `host` is the authority under its older name, as in Envoy's header map.
        case ":authority", "host": return pseudo(.authority)
        case ":scheme": return pseudo(.scheme)
        case ":status": return pseudo(.status)
        default: break
        }
        let id = lowered.withBytes { HeaderNames.id(of: $0) }
        return HeaderSource(
            kind: id == .other ? .named : .listed, isInline: InlineHeaders.contains(string), id: id,
            name: id == .other ? text.add(lowered[...]) : .empty)
    }

    private func presence(_ present: Bool) -> ValueMatchRecord {
        ValueMatchRecord(
            kind: present ? .present : .absent, ignoreCase: false, text: .empty, program: noIndex, low: 0, high: 0)
    }

    private mutating func compile(_ spec: StringMatchSpec, _ place: Place, _ field: String) -> ValueMatchRecord {
        var record = ValueMatchRecord(
            kind: .exact, ignoreCase: spec.ignoreCase, text: .empty, program: noIndex, low: 0, high: 0)
        switch spec.kind {
        case .exact(let string):
            record.text = text.add(string)
        case .prefix(let string):
            record.kind = .prefix
            record.text = text.add(string)
        case .suffix(let string):
            record.kind = .suffix
            record.text = text.add(string)
        case .contains(let string):
            record.kind = .contains
            record.text = text.add(string)
        case .regex(let pattern):
            record.kind = .regex
            if spec.ignoreCase { report(place, field, "ignore_case has no effect for safe_regex.") }
            record.program = program(pattern, place, field + ".safe_regex")
        }
        return record
    }
}
