// A profile in the other forms: folded stacks (one line per stack, for flame graph tools), JSON (for `/profile`'s page),
// and the older file of gperftools with its symbols in front, which `google-pprof` reads.

package enum ProfileTexts {
    /// `thread;outermost;…;innermost value`
    package static func folded(_ profile: Profile, _ code: CodeMap) -> [UInt8] {
        var lines: [String: UInt64] = [:]
        for stack in profile.stacks {
            let names = stack.frames.enumerated().reversed().map { depth, address in
                code.name(address, depth: depth).map { $0 == ";" || $0 == "\n" ? ":" : String($0) }.joined()
            }
            lines[([profile.threads[stack.thread]] + names).joined(separator: ";"), default: 0] &+= folded(stack, profile)
        }
        return Array(lines.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)\n" }.joined().utf8)
    }

    /// Samples of CPU time, bytes of anything else.
    private static func folded(_ stack: Profile.Stack, _ profile: Profile) -> UInt64 {
        profile.kind == .cpu ? stack.count : stack.value
    }

    /// `stacks`: thread, objects, value, then indices into `functions`, outermost first.
    package static func json(_ profile: Profile, _ code: CodeMap) -> [UInt8] {
        var out: [UInt8] = []
        func put(_ text: String) { out += text.utf8 }
        put("{\"kind\":\"\(profile.kind.rawValue)\",\"unit\":\"\(profile.kind == .cpu ? "nanoseconds" : "bytes")\"")
        put(",\"running\":\(profile.isRunning),\"began_ms\":\(profile.beganNs / 1_000_000)")
        put(",\"duration_ms\":\(profile.durationNs / 1_000_000),\"period\":\(profile.period),\"lost\":\(profile.lost)")
        put(",\"threads\":[\(profile.threads.map(quoted).joined(separator: ","))]")
        put(",\"modules\":[\(code.modules.map { quoted($0.path) }.joined(separator: ","))]")
        put(",\"functions\":[")
        for (index, function) in code.functions.enumerated() {
            put("\(index == 0 ? "" : ",")[\(quoted(function.name)),\(function.module)]")
        }
        put("],\"stacks\":[")
        for (index, stack) in profile.stacks.enumerated() {
            let frames = stack.frames.enumerated().reversed().map { "\(code.function($1, depth: $0))" }
            put("\(index == 0 ? "" : ",")[\(([stack.thread, Int(stack.count), Int(stack.value)].map(String.init) + frames).joined(separator: ","))]")
        }
        put("]}\n")
        return out
    }

    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case _ where scalar.value < 32: out += "\\u00" + hex(UInt64(scalar.value), digits: 2)
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }

    /// https://gperftools.github.io/gperftools/cpuprofile-fileformat.html, behind a section of symbols.
    package static func perftools(_ profile: Profile, _ code: CodeMap) -> [UInt8] {
        var out: [UInt8] = []
        func put(_ text: String) { out += text.utf8 }
        put("--- symbol\nbinary=\(code.modules.first?.path ?? "?")\n")
        var seen = Set<UInt64>()
        for stack in profile.stacks {
            for (depth, address) in stack.frames.enumerated() {
                // Some versions of the tool look a return address up as it is, some take one off first.
                for place in Set([address, CodeMap.place(address, depth)]) where seen.insert(place).inserted {
                    put("0x\(hex(place, digits: 16)) \(code.name(address, depth: depth))\n")
                }
            }
        }
        put("---\n--- profile\n")
        func word(_ value: UInt64) { unsafe withUnsafeBytes(of: value.littleEndian) { unsafe out.append(contentsOf: $0) } }
        for value in [0, 3, 0, profile.period / 1000, 0] { word(value) }
        for stack in profile.stacks {
            word(stack.count)
            word(UInt64(stack.frames.count))
            for address in stack.frames { word(address) }
        }
        for value: UInt64 in [0, 1, 0] { word(value) }
        for module in code.modules {
            put("\(hex(module.start))-\(hex(module.end)) r-xp \(hex(module.offset, digits: 8)) 00:00 0 \(module.path)\n")
        }
        return out
    }
}
