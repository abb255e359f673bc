/// One end of an HTTP/2 connection, step by step: a client, or a server of a script.
package indirect enum H2Step: Sendable {
    case send([H2Frame])
    case raw([UInt8])
    /// Until the head of a stream has come.
    case awaitHead(UInt32)
    /// Until the peer has ended or reset a stream.
    case awaitEnd(UInt32)
    case awaitEndWithin(UInt32, ms: Int)
    /// Until `RawH2Client.words` has one that begins so.
    case awaitWord(String)
    /// Reads for so long.
    case pause(ms: Int)
    /// Until the peer closes.
    case awaitClose(ms: Int)
    case close
    case reset
    /// Stands first: neither preface nor SETTINGS (of a server: no SETTINGS).
    case silent
    /// SETTINGS are not acknowledged from here on.
    case acknowledgeNothing
    /// Frames over and over, as many bytes as the peer takes in so long, without reading.
    case flood([H2Frame], ms: Int)
    /// PINGs of the peer are answered for so long.
    case answerPings(ms: Int)
}

extension H2Step {
    /// Frames of a whole response of a server.
    package static func answer(_ stream: UInt32, _ status: String = "200", _ more: [(String, String)] = [], body: String = "ok") -> H2Step {
        .send([
            .head(stream, [(":status", status)] + more, flags: H2Frame.endHeaders),
            H2Frame(.data, flags: H2Frame.endStream, stream: stream, body.wire),
        ])
    }
}

extension RawH2Client {
    /// Follows the steps; false where a step closed the connection. `limitMs`: for each step that waits.
    @discardableResult
    package func follow(_ steps: [H2Step], limitMs: Int = 5_000, stopped: () -> Bool = { false }) -> Bool {
        for step in steps {
            if stopped() { return false }
            switch step {
            case .silent: break
            case .acknowledgeNothing: acknowledges = false
            case .send(let frames):
                send(frames)
                begun()
            case .raw(let bytes): send(bytes)
            case .awaitHead(let stream): read(forMs: limitMs) { $0.heads.contains { $0.stream == stream } }
            case .awaitEnd(let stream): read(forMs: limitMs) { $0.hasEnded(stream) }
            case .awaitEndWithin(let stream, let milliseconds): read(forMs: milliseconds) { $0.hasEnded(stream) }
            case .awaitWord(let word): read(forMs: limitMs) { $0.words.contains { $0.hasPrefix(word) } }
            case .pause(let milliseconds): read(forMs: milliseconds)
            case .awaitClose(let milliseconds): read(forMs: milliseconds)
            case .flood(let frames, let milliseconds): flood(frames.flatMap(\.bytes), forMs: milliseconds)
            case .answerPings(let milliseconds): answerPings(forMs: milliseconds)
            case .close:
                close()
                return false
            case .reset:
                abort()
                return false
            }
        }
        return true
    }

    private func answerPings(forMs limit: Int) {
        let deadline = Deadline(afterMs: limit)
        var answered = 0
        while end == "open", !deadline.passed {
            read(forMs: 20)
            let pings = frames.filter { $0.type == 6 && $0.flags & H2Frame.acknowledged == 0 }
            for ping in pings.dropFirst(answered) { send([H2Frame(.ping, flags: H2Frame.acknowledged, ping.payload)]) }
            answered = pings.count
        }
    }
}
