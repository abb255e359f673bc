// What must always hold of the HTTP/1 decoders, checked by the fuzzer and, over its corpus, by WireTests:
// - the same events whole and in pieces (a piece has memory of its own, so that over-reads are seen),
// - every accepted head, encoded anew, decodes to the same head; stripped, it has no connection field and encodes again,
// - a body's part, sent on as a chunk, comes back; with little memory there are failures and nothing else,
// - normalising its path leaves a path; what a head stores of its own text is that text,
// - which HTTP it is, once told, stays so with more bytes.

import Primitives
import Wire

enum H1Invariants {
    /// Traps when one is broken.
    static func check(_ input: Bytes) {
        guard input.count >= 2 else { return }
        let setup = Setup(flags: input[0])
        let bytes = input.from(2)
        let whole = Trace.run(bytes, setup, cuts: nil)
        let cut = Trace.run(bytes, setup, cuts: UInt64(input[1]))
        if whole != cut { fatalError("cuts change the events: \(whole.text) | \(cut.text)") }
        // Room for one growth of a head and no second one.
        _ = Trace.run(bytes, setup, cuts: nil, memory: 2048)
        sniff(bytes, cut: Int(input[1]))
    }

    private static func sniff(_ bytes: Bytes, cut: Int) {
        let whole = HTTPSniffer.read(bytes)
        let early = HTTPSniffer.read(bytes.prefix(min(cut, bytes.count)))
        if early != .needMore && early != whole { fatalError("more bytes make \(early) \(whole)") }
    }
}

private struct Setup {
    var options: H1Options
    let isResponse: Bool
    let method: Method
    let upgrade: Bool

    init(flags: UInt8) {
        isResponse = flags & 1 != 0
        options = isResponse ? .response : H1Options()
        options.enableTrailers = flags & 2 != 0
        options.acceptHTTP10 = flags & 4 != 0
        options.allowChunkedLength = flags & 8 != 0
        options.allowCustomMethods = flags & 16 != 0
        options.underscores = flags & 32 != 0 ? .dropHeader : flags & 64 != 0 ? .rejectRequest : .allow
        upgrade = flags & 64 != 0
        method = flags & 32 != 0 ? .head : flags & 16 != 0 ? .connect : .get
        if flags & 128 != 0 {
            options.maxHeadBytes = 128
            options.maxStartLineBytes = 40
            options.maxHeaders = 4
            options.maxTrailerBytes = 40
            options.maxChunkExtensionBytes = 8
            options.allowAbsoluteURL = false
        }
    }
}

/// Everything that a decoder said, folded into comparable bytes.
private struct Trace: Equatable {
    private(set) var bytes: [UInt8] = []
    private var inBody = false

    var text: String { String(decoding: bytes, as: UTF8.self) }

    private mutating func note(_ label: StaticString) {
        inBody = false
        bytes += [0x0a] + [UInt8](Bytes(label)) + [0x20]
    }

    private mutating func note(_ head: MessageHead) {
        for span in [head.methodText, head.scheme, head.authority, head.path] {
            bytes += [UInt8](head.text(span)) + [0x7c]
        }
        bytes += [UInt8](String(head.status).utf8) + [head.version.rawValue]
        for i in 0..<head.count where !head.field(i).removed {
            bytes += [UInt8](head.name(i)) + [0x3d] + [UInt8](head.value(i)) + [0x7c]
        }
    }

    private mutating func note(_ facts: [Bool]) { bytes += facts.map { $0 ? 0x31 : 0x30 } }

    static func run(_ input: Bytes, _ setup: Setup, cuts: UInt64?, memory: Int = .max) -> Trace {
        var trace = Trace()
        let pool = BlockPool()
        pool.allocatedBytesMax = memory
        guard var head = MessageHead(pool: pool, bytes: 512), var trailers = MessageHead(pool: pool, bytes: 512) else {
            fatalError("no memory")
        }
        var request = H1RequestDecoder(options: setup.options)
        var response = H1ResponseDecoder(
            options: setup.options, requestMethod: setup.method, upgradeWasAsked: setup.upgrade)
        var random = (cuts ?? 0) &* 2 &+ 1
        var start = 0
        var inTrailers = false
        var failed = false
        while start < input.count, !failed {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let size = cuts == nil ? input.count : 1 + Int(random >> 60)
            let end = min(input.count, start + size)
            // Memory of exactly this size.
            let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: end - start)
            for i in start..<end { unsafe copy[i - start] = input[i] }
            let piece = unsafe Bytes(UnsafeRawPointer(copy), end - start)
            var cursor = 0
            steps: while true {
                let event: H1Event
                if setup.isResponse {
                    event = inTrailers
                        ? response.next(piece, &cursor, head: &trailers) : response.next(piece, &cursor, head: &head)
                } else {
                    event = inTrailers
                        ? request.next(piece, &cursor, head: &trailers) : request.next(piece, &cursor, head: &head)
                }
                if cursor < 0 || cursor > piece.count { fatalError("cursor") }
                switch event {
                case .needMore: break steps
                case .head:
                    trace.note("head")
                    trace.note(head)
                    trace.note(setup.isResponse ? facts(response) : facts(request))
                    if !setup.isResponse, head.method == .connect, setup.upgrade { request.becomeTunnel() }
                    checkAgain(head, setup, tunnel: response.isTunnel)
                    if memory == .max { checkPath(head, pool) }
                    if setup.isResponse, head.status < 200, !response.isTunnel { head.reset() }
                case .body(let part):
                    if part.isEmpty { fatalError("empty part") }
                    if !trace.inBody {
                        trace.note("body")
                        checkChunk(part)
                    }
                    trace.inBody = true
                    trace.bytes += [UInt8](part)
                case .trailersBegin:
                    trace.note("trailers")
                    inTrailers = true
                case .trailers:
                    trace.note(trailers)
                    checkTrailers(trailers)
                case .complete:
                    trace.note("complete")
                    head.reset()
                    trailers.reset()
                    inTrailers = false
                    if setup.isResponse {
                        response.reset(requestMethod: setup.method, upgradeWasAsked: setup.upgrade)
                    } else {
                        request.reset()
                    }
                case .failed(let error):
                    if error.details.utf8CodeUnitCount == 0 || error.status < 400 { fatalError("no answer") }
                    if error.body.utf8CodeUnitCount == 0 { fatalError("no text") }
                    // A line of an access log is cut at spaces.
                    if "\(error.closeReason)".contains(" ") { fatalError("a reason of close in two words") }
                    trace.note("failed")
                    trace.bytes.append(error.rawValue)
                    failed = true
                    let more = setup.isResponse
                        ? response.next(piece, &cursor, head: &head) : request.next(piece, &cursor, head: &head)
                    guard case .needMore = more else { fatalError("an event after the failure") }
                    break steps
                }
            }
            if !failed, cursor != piece.count { fatalError("input left over") }
            unsafe copy.deallocate()
            start = end
        }
        let end = setup.isResponse ? response.finish() : request.finish()
        trace.note("end")
        switch end {
        case .complete: trace.bytes.append(1)
        case .failed(let error): trace.bytes.append(error.rawValue)
        default: trace.bytes.append(0)
        }
        head.destroy()
        trailers.destroy()
        if pool.allocatedBytes != 0 { fatalError("leak") }
        pool.destroy()
        return trace
    }
}

private func facts(_ decoder: H1RequestDecoder) -> [Bool] {
    if decoder.isIdle && !decoder.endsHere || decoder.isInHead { fatalError("phase") }
    return [
        decoder.endsHere, decoder.shouldClose, decoder.upgradeRequested, decoder.hasHost, decoder.isChunked,
        decoder.contentLength == decoder.remainingLength, decoder.droppedUnderscores > 0,
    ]
}

private func facts(_ decoder: H1ResponseDecoder) -> [Bool] {
    if decoder.isDone { fatalError("phase") }
    return [
        decoder.endsHere, decoder.shouldClose, decoder.isTunnel, decoder.isChunked, decoder.contentLength == decoder.remainingLength,
        decoder.isIdle,
    ]
}

/// Kept trailers, sent on behind a chunk, come back the same.
private func checkTrailers(_ trailers: MessageHead) {
    let pool = BlockPool()
    guard var head = MessageHead(pool: pool), var again = MessageHead(pool: pool) else { fatalError("no memory") }
    let bound = H1Encoder.trailersBound(trailers)
    let start = Bytes("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    let memory = UnsafeMutableRawPointer.allocate(byteCount: start.count + bound, alignment: 1)
    unsafe memory.copyMemory(from: start.base, byteCount: start.count)
    let count = unsafe H1Encoder.trailers(trailers, H1EncoderOptions(), into: memory + start.count, capacity: bound)
    let bytes = unsafe Bytes(UnsafeRawPointer(memory), start.count + count)
    var options = H1Options()
    options.enableTrailers = true
    var decoder = H1RequestDecoder(options: options)
    var cursor = 0
    guard case .head = decoder.next(bytes, &cursor, head: &head) else { fatalError("no head") }
    while true {
        let event = decoder.next(bytes, &cursor, head: &again)
        if case .complete = event { break }
        if case .failed(let error) = event { fatalError("our own trailers are refused: \(error)") }
        if case .needMore = event { fatalError("our own trailers do not end") }
    }
    if again.count != trailers.count { fatalError("trailer lost") }
    for i in 0..<again.count {
        same(trailers.name(i), again.name(i))
        same(trailers.value(i), again.value(i))
    }
    unsafe memory.deallocate()
    head.destroy()
    again.destroy()
    pool.destroy()
}

/// A part of a body, in a chunk of its own.
private func checkChunk(_ part: Bytes) {
    let pool = BlockPool()
    guard var head = MessageHead(pool: pool, bytes: 512) else { fatalError("no memory") }
    let start = Bytes("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    var bytes = [UInt8](start)
    unsafe withUnsafeTemporaryAllocation(byteCount: H1Chunks.prefixBytesMax, alignment: 1) { room in
        guard let base = room.baseAddress else { fatalError("no memory") }
        let count = unsafe H1Chunks.prefix(part.count, into: base)
        for i in 0..<count { unsafe bytes.append(room[i]) }
    }
    bytes += [UInt8](part) + [UInt8](H1Chunks.suffix) + [UInt8](H1Chunks.last)
    bytes.withBytes { bytes in
        var decoder = H1RequestDecoder(options: H1Options())
        var cursor = 0
        guard case .head = decoder.next(bytes, &cursor, head: &head) else { fatalError("no head") }
        guard case .body(let again) = decoder.next(bytes, &cursor, head: &head) else { fatalError("no body") }
        same(part, again)
        guard case .complete = decoder.next(bytes, &cursor, head: &head), cursor == bytes.count else { fatalError("no end") }
    }
    head.destroy()
    pool.destroy()
}

/// What we would forward reads as what we read.
private func checkAgain(_ head: MessageHead, _ setup: Setup, tunnel: Bool) {
    if tunnel || head.version == .http10 { return }
    if !setup.isResponse, !isPath(head.text(head.path)) { return }
    let pool = BlockPool()
    // What differs in case only, or in the target's form, reads the same.
    var encoder = H1EncoderOptions()
    encoder.properCaseWords = setup.options.enableTrailers
    encoder.absoluteForm = setup.upgrade && !head.authority.isEmpty && !head.path.isEmpty && head.text(head.path)[0] == 0x2f
    guard var again = MessageHead(pool: pool, bytes: 512) else { fatalError("no memory") }
    let chunked = head.has(.transferEncoding)
    let length = head.value(of: .contentLength)
    let framing: H1Framing = chunked ? .chunked
        : length.flatMap { trimmedLength($0) }.map { .contentLength($0) } ?? (setup.isResponse ? .closeDelimited : .none)
    // A client of HTTP/1.0 is answered as such; it knows no chunks.
    let version: HTTPVersion = setup.options.acceptHTTP10 && !chunked ? .http10 : .http11
    let bound = setup.isResponse ? H1Encoder.responseBound(head) : H1Encoder.requestBound(head)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bound, alignment: 1)
    var options = H1Options()
    options.maxHeadBytes = UInt32.max
    options.maxStartLineBytes = UInt32.max
    options.maxHeaders = 1000
    options.allowCustomMethods = true
    let event: H1Event
    var cursor = 0
    if setup.isResponse {
        let count = unsafe H1Encoder.responseHead(head, framing, encoder, version: version, into: memory, capacity: bound)
        var decoder = H1ResponseDecoder(options: options, requestMethod: setup.method)
        event = unsafe decoder.next(Bytes(UnsafeRawPointer(memory), count), &cursor, head: &again)
        if cursor != count { fatalError("response head not used up") }
    } else {
        let count = unsafe H1Encoder.requestHead(head, framing, encoder, into: memory, capacity: bound)
        var decoder = H1RequestDecoder(options: options)
        event = unsafe decoder.next(Bytes(UnsafeRawPointer(memory), count), &cursor, head: &again)
        if cursor != count { fatalError("request head not used up") }
    }
    guard case .head = event else { fatalError("our own head is refused: \(event)") }
    same(head.text(head.methodText), again.text(again.methodText))
    same(head.text(head.path), again.text(again.path))
    same(head.text(head.authority), again.text(again.authority))
    if head.status != again.status { fatalError("status") }
    var j = 0
    for i in 0..<head.count {
        let field = head.field(i)
        if field.removed || field.id == .contentLength || field.id == .transferEncoding { continue }
        while j < again.count, again.field(j).id == .contentLength || again.field(j).id == .transferEncoding { j += 1 }
        if j >= again.count { fatalError("field lost") }
        same(head.name(i), again.name(j))
        same(head.value(i), again.value(j))
        if again.field(j).id != field.id { fatalError("id") }
        j += 1
    }
    // Stripping must not trap, and leaves no connection field.
    let keepUpgrade = again.count & 1 == 1
    if HopByHop.strip(&again, keepUpgrade: keepUpgrade) == .stripped {
        if again.has(.transferEncoding) || !keepUpgrade && again.has(.connection) { fatalError("not stripped") }
        if !setup.isResponse {
            guard var third = MessageHead(pool: pool, bytes: 512) else { fatalError("no memory") }
            let bound = H1Encoder.requestBound(again)
            let memory = UnsafeMutableRawPointer.allocate(byteCount: bound, alignment: 1)
            let count = unsafe H1Encoder.requestHead(again, .none, encoder, into: memory, capacity: bound)
            var decoder = H1RequestDecoder(options: options)
            cursor = 0
            guard case .head = unsafe decoder.next(Bytes(UnsafeRawPointer(memory), count), &cursor, head: &third) else {
                fatalError("our own head is refused when it is stripped")
            }
            unsafe memory.deallocate()
            third.destroy()
        }
    }
    unsafe memory.deallocate()
    again.destroy()
    pool.destroy()
}

private func trimmedLength(_ text: Bytes) -> UInt64? {
    var start = 0
    while start + 1 < text.count, text[start] == 0x30 { start += 1 }
    return text.from(start).decimal
}

private func same(_ a: Bytes, _ b: Bytes) {
    if !a.equals(b) { fatalError("\(String(a)) became \(String(b))") }
}

/// What has no path is answered, neither normalised nor passed on: an absolute form with a query alone, or one where
/// that form is off. CONNECT has none at all.
private func isPath(_ path: Bytes) -> Bool { path.isEmpty || path[0] == 0x2f || path[0] == 0x2a }

private func checkPath(_ head: MessageHead, _ pool: BlockPool) {
    guard !head.path.isEmpty, isPath(head.text(head.path)), var copy = MessageHead(pool: pool, bytes: 512) else { return }
    copy.path = copy.store(head.text(head.path))
    // What lies in the head's own text stays readable while the text moves.
    for _ in 0..<4 {
        let again = copy.store(copy.text(copy.path))
        if copy.fits { same(copy.text(again), copy.text(copy.path)) }
    }
    var options = PathOptions()
    options.normalize = true
    options.mergeSlashes = head.count & 1 == 0
    options.escapedSlashes = head.count & 2 == 0 ? .unescapeAndForward : .keepUnchanged
    _ = PathNormalizer.apply(options, to: &copy)
    let path = PathQuery(copy.text(copy.path)).path
    if path.isEmpty || path[0] != 0x2f && path[0] != 0x2a { fatalError("path") }
    copy.destroy()
}
