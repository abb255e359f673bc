// A dump as a body: a list of steps, each a few kilobytes of output, run until a piece is full or has taken its time.
// So a configuration of ten thousand clusters is never printed at once, nor looked through at once for a name.

import EnvoyAPI
import StatsStore

enum DumpStep {
    case once((inout JSONWriter) -> Void)
    /// The step for `0 ..< count`.
    case each(Int, (inout JSONWriter, Int) -> Void)
}

final class DumpBody: BodySource {
    private let steps: [DumpStep]
    private var step = 0
    private var index = 0
    private var json = JSONWriter()

    init(_ steps: [DumpStep]) { self.steps = steps }

    override func next(_ out: inout [UInt8]) -> Bool {
        var time = RenderingTime(looksPerClock: 1)
        while step < steps.count, out.count < BodySource.pieceBytes, !time.isOver() {
            switch steps[step] {
            case .once(let write):
                write(&json)
                step += 1
            case .each(let count, let write):
                if index < count {
                    write(&json, index)
                    index += 1
                } else {
                    index = 0
                    step += 1
                }
            }
            out += json.take().utf8
        }
        return step < steps.count
    }
}

/// An array that begins with its first element: an empty one is not printed at all.
final class LazyArray {
    private let name: String
    private(set) var isOpen = false

    init(_ name: String) { self.name = name }

    func element(_ json: inout JSONWriter) {
        if !isOpen {
            isOpen = true
            json.key(name)
            json.open("[")
        }
        json.next()
    }

    func close(_ json: inout JSONWriter) {
        if isOpen { json.close("]") }
    }
}
