import Pipeline
import Stats

/// `http.<stat_prefix>.`: what waits in the transcoder until its message is complete.
enum TranscoderStat: UInt32, StatLeaf {
    case transcoderRequestBufferBytes, transcoderResponseBufferBytes

    static let schema = StatSchema(TranscoderStat.self, writers: .workers)

    var descriptor: StatDescriptor {
        switch self {
        case .transcoderRequestBufferBytes: .gauge("transcoder_request_buffer_bytes")
        case .transcoderResponseBufferBytes: .gauge("transcoder_response_buffer_bytes")
        }
    }
}

extension TranscoderFilter {
    /// So much of one body waits now.
    func showWaiting(_ worker: Worker, _ bytes: Int, _ shown: inout Int, _ leaf: TranscoderStat) {
        guard bytes != shown else { return }
        worker.cells.gaugeAdd(stats &+ leaf.rawValue, Int64(bytes - shown))
        shown = bytes
    }
}
