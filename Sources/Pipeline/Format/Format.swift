// A format with operators (`%REQ(:path)%`), compiled: what header mutations, access logs and local replies write.
//
// Frozen plain memory, made by main (`FormatCompiler`), read by every worker (`FormatWriter`).

import Primitives
import Wire

@safe
package struct Format: BitwiseCopyable {
    package var pieces = FrozenArray<FormatPiece>()
    package init() {}
    package init(pieces: FrozenArray<FormatPiece>) { self.pieces = pieces }
}

/// A header's name as a format asks for it.
package struct FormatHeader: BitwiseCopyable {
    package enum Part: UInt8, BitwiseCopyable { case none, field, method, path, authority, scheme, status }
    var part = Part.none
    /// The raw value of a `HeaderID`.
    private var rawID: UInt8 = 0
    /// Lower case.
    var name = Bytes.empty

    @inline(__always)
    var id: HeaderID {
        get { unsafe unsafeBitCast(rawID, to: HeaderID.self) }
        set { rawID = newValue.rawValue }
    }
}

/// A text or one operator.
@safe
package struct FormatPiece: BitwiseCopyable {
    package var op = FormatOperator.literal
    /// Which form of the operator: see the enumerations of `FormatOptions`.
    var option: UInt8 = 0
    var secondOption: UInt8 = 0
    /// `:MAXLEN`.
    var length = Int.max
    /// The literal, or the name of a query parameter.
    package var text = Bytes.empty
    var header = FormatHeader()
    /// Behind the `?`.
    var alternate = FormatHeader()
    /// `START_TIME(…)`.
    var time = FrozenArray<TimePiece>()
    /// `COALESCE(…)`: the operators, of which the first that has a value gives it.
    var choices: UnsafePointer<FormatPiece>?
    var choiceCount = 0
    /// `CEL(…)`, `TYPED_CEL(…)`.
    var program: CELProgram?
    /// `FILE_CONTENT(…)`, `SECRET(…)`: its place in `Plan.texts`.
    var slot: UInt32 = 0

    package init() {}

    /// Whether it, or one of its choices, is an operator of this sort.
    func asks(_ sort: (FormatOperator) -> Bool) -> Bool {
        if sort(op) { return true }
        guard let choices = unsafe choices else { return false }
        for i in 0..<choiceCount where unsafe choices[i].asks(sort) { return true }
        return false
    }
}

/// What an operator that has no value writes.
package enum MissingValue: UInt8, BitwiseCopyable {
    /// `-`: access logs, bodies.
    case dash
    /// Nothing: header values, `omit_empty_values`.
    case empty
}

enum PathSource: UInt8 { case originalOrCurrent, original, current }

/// The moments between which `COMMON_DURATION` measures.
enum TimePoint: UInt8 {
    case downstreamReceiveBegin, downstreamReceiveEnd, upstreamConnectBegin, upstreamConnectEnd, upstreamHandshakeEnd
    case upstreamSendBegin, upstreamSendEnd, upstreamReceiveBegin, upstreamReceiveEnd, downstreamSendBegin
    case downstreamSendEnd, other

    /// Names that Envoy does not know belong to filters; none of ours sets any.
    init(name: String) {
        switch name {
        case "DS_RX_BEG": self = .downstreamReceiveBegin
        case "DS_RX_END": self = .downstreamReceiveEnd
        case "US_CX_BEG": self = .upstreamConnectBegin
        case "US_CX_END": self = .upstreamConnectEnd
        case "US_HS_END": self = .upstreamHandshakeEnd
        case "US_TX_BEG": self = .upstreamSendBegin
        case "US_TX_END": self = .upstreamSendEnd
        case "US_RX_BEG": self = .upstreamReceiveBegin
        case "US_RX_END": self = .upstreamReceiveEnd
        case "DS_TX_BEG": self = .downstreamSendBegin
        case "DS_TX_END": self = .downstreamSendEnd
        default: self = .other
        }
    }
}

/// `REQUESTED_SERVER_NAME(…)`.
enum ServerNameSource: UInt8 { case serverName, serverNameThenHost, host }
