// A profile as pprof reads it: the protobuf message `perftools.profiles.Profile`, not compressed (every reader takes that).
//
// Field numbers: https://github.com/google/pprof/blob/main/proto/profile.proto. Locations are addresses, functions have
// names, every sample has its thread as a label, so nobody needs the binary to read it.

package enum PprofFile {
    package static func bytes(_ profile: Profile, _ code: CodeMap) -> [UInt8] {
        var writer = Writer(profile, code)
        return writer.run()
    }

    private struct Writer {
        let profile: Profile
        let code: CodeMap
        var out = ProtoWriter()
        var strings: [String] = [""]
        var numbers: [String: UInt64] = ["": 0]
        var locations: [UInt64: UInt64] = [:]
        /// Addresses as `CodeMap.place` gives them, by their location's number less one.
        var places: [(address: UInt64, function: Int)] = []

        init(_ profile: Profile, _ code: CodeMap) {
            self.profile = profile
            self.code = code
        }

        mutating func run() -> [UInt8] {
            let (count, value) = units
            for (type, unit) in [count, value] { valueType(1, type, unit) }
            for stack in profile.stacks { sample(stack) }
            for (index, module) in code.modules.enumerated() { mapping(index, module) }
            for (index, place) in places.enumerated() { location(index, place) }
            for (index, function) in code.functions.enumerated() { self.function(index, function) }
            out.varint(9, profile.beganNs)
            out.varint(10, profile.durationNs)
            valueType(11, value.0, value.1)
            out.varint(12, profile.period)
            if profile.lost > 0 {
                out.varint(13, string("\(profile.lost) samples had no room and are missing"))
            }
            out.varint(14, string(value.0))
            for text in strings { out.text(6, text) }
            return out.bytes
        }

        private var units: ((String, String), (String, String)) {
            switch profile.kind {
            case .cpu: (("samples", "count"), ("cpu", "nanoseconds"))
            case .allocations: (("alloc_objects", "count"), ("alloc_space", "bytes"))
            case .heap, .peakHeap: (("inuse_objects", "count"), ("inuse_space", "bytes"))
            }
        }

        private mutating func string(_ text: String) -> UInt64 {
            if let number = numbers[text] { return number }
            let number = UInt64(strings.count)
            numbers[text] = number
            strings.append(text)
            return number
        }

        private mutating func valueType(_ field: UInt32, _ type: String, _ unit: String) {
            var message = ProtoWriter()
            message.varint(1, string(type))
            message.varint(2, string(unit))
            out.message(field, message)
        }

        private mutating func sample(_ stack: Profile.Stack) {
            var message = ProtoWriter()
            message.packed(1, stack.frames.enumerated().map { number(of: $1, depth: $0) })
            message.packed(2, [stack.count, stack.value])
            var label = ProtoWriter()
            label.varint(1, string("thread"))
            label.varint(2, string(profile.threads[stack.thread]))
            message.message(3, label)
            out.message(2, message)
        }

        private mutating func number(of address: UInt64, depth: Int) -> UInt64 {
            let place = CodeMap.place(address, depth)
            if let number = locations[place] { return number }
            places.append((place, code.function(address, depth: depth)))
            let number = UInt64(places.count)
            locations[place] = number
            return number
        }

        private mutating func mapping(_ index: Int, _ module: CodeMap.Module) {
            var message = ProtoWriter()
            message.varint(1, UInt64(index + 1))
            message.varint(2, module.start)
            message.varint(3, module.end)
            message.varint(4, module.offset)
            message.varint(5, string(module.path))
            message.varint(6, string(module.buildID))
            message.varint(7, 1)
            out.message(3, message)
        }

        private mutating func location(_ index: Int, _ place: (address: UInt64, function: Int)) {
            var message = ProtoWriter()
            message.varint(1, UInt64(index + 1))
            message.varint(3, place.address)
            if place.function >= 0 {
                let module = code.functions[place.function].module
                if module >= 0 { message.varint(2, UInt64(module + 1)) }
                var line = ProtoWriter()
                line.varint(1, UInt64(place.function + 1))
                message.message(4, line)
            }
            out.message(4, message)
        }

        private mutating func function(_ index: Int, _ function: CodeMap.Function) {
            var message = ProtoWriter()
            message.varint(1, UInt64(index + 1))
            message.varint(2, string(function.name))
            message.varint(3, string(function.linkName))
            out.message(5, message)
        }
    }
}

/// Fields of a protobuf message (https://protobuf.dev/programming-guides/encoding).
struct ProtoWriter {
    private(set) var bytes: [UInt8] = []

    private mutating func raw(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func varint(_ field: UInt32, _ value: UInt64) {
        if value == 0 { return }
        raw(UInt64(field) << 3)
        raw(value)
    }

    mutating func text(_ field: UInt32, _ text: String) { blob(field, Array(text.utf8)) }
    mutating func message(_ field: UInt32, _ message: ProtoWriter) { blob(field, message.bytes) }

    mutating func packed(_ field: UInt32, _ values: [UInt64]) {
        var packed = ProtoWriter()
        for value in values { packed.raw(value) }
        blob(field, packed.bytes)
    }

    private mutating func blob(_ field: UInt32, _ content: [UInt8]) {
        raw(UInt64(field) << 3 | 2)
        raw(UInt64(content.count))
        bytes += content
    }
}
