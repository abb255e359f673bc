// Runs a decoder over bytes in pieces and writes down what it said, so that two ways of cutting the same bytes can be
// compared. Pieces lie in memory of their own exact size: a read beyond one is seen by the address sanitizer.

import Primitives
import Testing
import Wire

struct Probe {
    var log: [String] = []
    /// What `finish` said after the last piece.
    var end = ""

    private mutating func body(_ bytes: Bytes) {
        let text = String(latin1: bytes)
        if let last = log.last, last.hasPrefix("body ") {
            log[log.count - 1] = last + text
        } else {
            log.append("body " + text)
        }
    }

    private mutating func note(_ event: H1Event, _ describe: () -> String) {
        switch event {
        case .needMore: break
        case .head: log.append("head " + describe())
        case .body(let bytes): body(bytes)
        case .trailersBegin: log.append("trailers begin")
        case .trailers: log.append("trailers " + describe())
        case .complete: log.append("complete")
        case .failed(let error): log.append("failed \(error)")
        }
    }

    static func request(_ pieces: [[UInt8]], _ options: H1Options) -> Probe {
        var probe = Probe()
        withHeads { head, trailers in
            var decoder = H1RequestDecoder(options: options)
            var inTrailers = false
            for piece in pieces {
                withExactCopy(piece) { input in
                    var cursor = 0
                    while true {
                        let event =
                            inTrailers
                            ? decoder.next(input, &cursor, head: &trailers) : decoder.next(input, &cursor, head: &head)
                        probe.note(event) { inTrailers ? fields(trailers) : requestText(head, decoder) }
                        if case .trailersBegin = event { inTrailers = true }
                        if case .complete = event {
                            decoder.reset()
                            head.reset()
                            trailers.reset()
                            inTrailers = false
                        }
                        if case .needMore = event { break }
                        if case .failed = event { break }
                    }
                }
            }
            probe.end = "\(decoder.finish())"
        }
        return probe
    }

    static func response(_ pieces: [[UInt8]], _ options: H1Options, _ method: Method, _ upgrade: Bool) -> Probe {
        var probe = Probe()
        withHeads { head, trailers in
            var decoder = H1ResponseDecoder(options: options, requestMethod: method, upgradeWasAsked: upgrade)
            var inTrailers = false
            for piece in pieces {
                withExactCopy(piece) { input in
                    var cursor = 0
                    while true {
                        let event =
                            inTrailers
                            ? decoder.next(input, &cursor, head: &trailers) : decoder.next(input, &cursor, head: &head)
                        probe.note(event) { inTrailers ? fields(trailers) : responseText(head, decoder) }
                        if case .trailersBegin = event { inTrailers = true }
                        if case .head = event, head.status < 200, !decoder.isTunnel { head.reset() }
                        if case .needMore = event { break }
                        if case .failed = event { break }
                    }
                    if decoder.isDone, cursor < input.count {
                        probe.log.append("left \(input.count - cursor)")
                    }
                }
            }
            probe.end = "\(decoder.finish())"
        }
        return probe
    }

    private static func withHeads(_ body: (inout MessageHead, inout MessageHead) -> Void) {
        let pool = BlockPool()
        // The smallest block: heads grow under the decoder's hands.
        guard var head = MessageHead(pool: pool, bytes: 512), var trailers = MessageHead(pool: pool, bytes: 512) else {
            return
        }
        body(&head, &trailers)
        head.destroy()
        trailers.destroy()
        #expect(pool.allocatedBytes == 0)
        pool.destroy()
    }

    private static func withExactCopy(_ bytes: [UInt8], _ body: (Bytes) -> Void) {
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
        for (i, byte) in bytes.enumerated() { unsafe copy[i] = byte }
        body(unsafe Bytes(UnsafeRawPointer(copy), bytes.count))
        unsafe copy.deallocate()
    }

    private static func requestText(_ head: MessageHead, _ decoder: H1RequestDecoder) -> String {
        var flags: [String] = []
        if decoder.endsHere { flags.append("ends") }
        if decoder.shouldClose { flags.append("close") }
        if decoder.upgradeRequested { flags.append("upgrade") }
        if !decoder.hasHost { flags.append("nohost") }
        let scheme = head.scheme.isEmpty ? "" : String(latin1: head.text(head.scheme)) + " "
        return
            "\(String(latin1: head.text(head.methodText))) \(scheme)[\(String(latin1: head.text(head.authority)))] "
            + "\(String(latin1: head.text(head.path))) \(head.version) {\(fields(head))} \(flags.joined(separator: ","))"
    }

    private static func responseText(_ head: MessageHead, _ decoder: H1ResponseDecoder) -> String {
        var flags: [String] = []
        if decoder.endsHere { flags.append("ends") }
        if decoder.shouldClose { flags.append("close") }
        if decoder.isTunnel { flags.append("tunnel") }
        return "\(head.status) \(head.version) {\(fields(head))} \(flags.joined(separator: ","))"
    }

    static func fields(_ head: MessageHead) -> String {
        (0..<head.count).filter { !head.field($0).removed }
            .map { "\(String(latin1: head.name($0)))=\(String(latin1: head.value($0)))" }.joined(separator: "|")
    }
}

extension String {
    /// One scalar per byte: nothing is lost, whatever the bytes are.
    init(latin1 bytes: Bytes) {
        self = String(String.UnicodeScalarView((0..<bytes.count).map { UnicodeScalar(bytes[$0]) }))
    }

    /// The bytes of a text of scalars below 256.
    var latin1: [UInt8] { unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } }
}

/// Feeds `text` whole, cut in two at each byte, and byte by byte: the same events. Cut short at each byte: a beginning
/// of them. Returns the events and what `finish` says at the end.
@discardableResult
func decodeRequest(
    _ text: String, _ options: H1Options = H1Options(), location: SourceLocation = #_sourceLocation
) -> Probe {
    checkCuts(text.latin1, location) { Probe.request($0, options) }
}

@discardableResult
func decodeResponse(
    _ text: String, _ options: H1Options = .response, method: Method = .get, upgrade: Bool = false,
    location: SourceLocation = #_sourceLocation
) -> Probe {
    checkCuts(text.latin1, location) { Probe.response($0, options, method, upgrade) }
}

private func checkCuts(_ bytes: [UInt8], _ location: SourceLocation, _ run: ([[UInt8]]) -> Probe) -> Probe {
    let whole = run([bytes])
    // Long inputs are about bounds: a few cuts do.
    let step = bytes.count > 2000 ? bytes.count / 40 : 1
    for cut in stride(from: 0, through: bytes.count, by: step) {
        let front = Array(bytes[..<cut])
        let back = Array(bytes[cut...])
        let two = run([front, back])
        #expect(two.log == whole.log && two.end == whole.end, "cut at \(cut)", sourceLocation: location)
        let short = run([front])
        #expect(isBeginning(short.log, of: whole.log), "cut short at \(cut): \(short.log)", sourceLocation: location)
    }
    let single = run(bytes.map { [$0] })
    #expect(single.log == whole.log && single.end == whole.end, "byte by byte", sourceLocation: location)
    return whole
}

private func isBeginning(_ short: [String], of whole: [String]) -> Bool {
    guard let last = short.last else { return true }
    let count = short.count
    guard count <= whole.count, short.dropLast() == whole.prefix(count - 1) else { return false }
    // Not `hasPrefix`, to which CR LF is one character.
    return last == whole[count - 1] || last.hasPrefix("body ") && whole[count - 1].unicodeScalars.starts(with: last.unicodeScalars)
}
