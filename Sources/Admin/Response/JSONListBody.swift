// One object with one list in it, an element at a time: what `/clusters` and `/listeners` answer in JSON.

import StatsStore

/// Without elements the object is empty, as protobuf's JSON leaves an empty list out.
class JSONListBody: BodySource {
    private let name: String
    private let count: Int
    private var at = 0
    private var hasBegun = false
    private var json = JSONWriter()

    init(_ name: String, count: Int) {
        self.name = name
        self.count = count
    }

    /// Writes the element at `index`, or a part of it. False: not all of it, ask again.
    func write(_ index: Int, _ json: inout JSONWriter) -> Bool { true }

    final override func next(_ out: inout [UInt8]) -> Bool {
        if count == 0 {
            out += "{}\n".utf8
            return false
        }
        if !hasBegun {
            hasBegun = true
            json.open("{")
            json.key(name)
            json.open("[")
        }
        var time = RenderingTime(looksPerClock: 1)
        while at < count, out.count < BodySource.pieceBytes, !time.isOver() {
            if write(at, &json) { at += 1 }
            out += json.take().utf8
        }
        if at < count { return true }
        json.close("]")
        json.close("}")
        out += (json.take() + "\n").utf8
        return false
    }
}
