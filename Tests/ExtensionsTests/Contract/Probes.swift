// The two ends of a chain under test, which write down what arrives, and a neighbour that stops everything.

import Pipeline
import Primitives
import Transport
import Wire

/// What one end has seen of one message.
struct Seen: Equatable {
    var heads = 0
    var headEnds = false
    var status = 0
    var fields: [String: String] = [:]
    var path = ""
    var body: [UInt8] = []
    var ends = 0
    var trailers: [String: String] = [:]
    /// Anything out of order: body before the head, something behind the end.
    var faults: [String] = []

    var isComplete: Bool { heads == 1 && ends == 1 && faults.isEmpty }

    mutating func head(_ head: MessageHead, endStream: Bool) {
        if heads > 0 { faults.append("a second head") }
        heads += 1
        headEnds = endStream
        status = Int(head.status)
        path = head.text(head.path).string
        fields = Seen.fields(head)
        if endStream { ends += 1 }
    }

    mutating func data(_ data: ByteQueue, endStream: Bool) {
        if heads == 0 { faults.append("body before the head") }
        if ends > 0 { faults.append("\(data.count) bytes behind the end") }
        data.forEach { part in for i in 0..<part.count { body.append(part[i]) } }
        if endStream { ends += 1 }
    }

    mutating func trailers(_ head: MessageHead?) {
        if heads == 0 { faults.append("trailers before the head") }
        if ends > 0 { faults.append("trailers behind the end") }
        if let head { trailers = Seen.fields(head) }
        ends += 1
    }

    static func fields(_ head: MessageHead) -> [String: String] {
        var fields: [String: String] = [:]
        for i in 0..<head.count where !head.field(i).removed {
            let name = head.name(i).string
            fields[name] = (fields[name].map { $0 + "," } ?? "") + head.value(i).string
        }
        return fields
    }
}

extension Bytes {
    var string: String { String(decoding: (0..<count).map { self[$0] }, as: UTF8.self) }
}

final class Record {
    var upstream = Seen()
    var client = Seen()
    /// Requests that have come as far as the upstream.
    var requests = 0
}

/// In front: takes the response off the chain, as a client does.
final class ClientProbe: HTTPFilter {
    let record: Record
    init(_ record: Record) {
        self.record = record
        super.init(name: "client", interest: [.responseHead, .responseBody, .responseTrailers])
    }
    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        unsafe record.client.head(stream.pointee.response, endStream: endStream)
        return .stop
    }
    override func responseData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        record.client.data(data, endStream: endStream)
        return .stopWithoutBuffer
    }
    override func responseTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        unsafe record.client.trailers(stream.pointee.responseTrailers)
        return .stop
    }
}

/// Behind: takes the request off the chain, as the router does.
final class UpstreamProbe: HTTPFilter {
    let record: Record
    init(_ record: Record) {
        self.record = record
        super.init(name: "upstream", interest: [.requestHead, .requestBody, .requestTrailers])
    }
    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        record.requests += 1
        unsafe record.upstream.head(stream.pointee.request, endStream: endStream)
        return .stop
    }
    override func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        record.upstream.data(data, endStream: endStream)
        return .stopWithoutBuffer
    }
    override func requestTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        unsafe record.upstream.trailers(stream.pointee.requestTrailers)
        return .stop
    }
}

/// How a neighbour of the filter under test behaves.
enum Neighbour: CaseIterable {
    case none
    /// Stops every part, and resumes before its call has returned.
    case resumesAtOnce
    /// Stops every part with "stop"; resumed behind each step.
    case stops
    /// Keeps everything unseen from the head on; resumed behind each step.
    case buffers
    case watermarks
    /// Keeps the body until its end.
    case gathers
}

/// A filter that stops what passes it, and counts what it has seen.
final class Pauser: HTTPFilter {
    let kind: Neighbour
    private(set) var destroyedCount = 0
    /// Every byte that it was shown, in the order in which it was.
    private(set) var request: [UInt8] = []
    private(set) var response: [UInt8] = []
    init(_ kind: Neighbour) {
        self.kind = kind
        super.init(
            name: "pauser", stateBytes: 8,
            interest: [.requestHead, .requestBody, .requestTrailers, .responseHead, .responseBody, .responseTrailers])
    }

    func resume(_ worker: Worker, _ handle: Handle) {
        worker.resumeRequest(handle, from: self)
        worker.resumeResponse(handle, from: self)
    }

    private func head(_ worker: Worker, _ stream: StreamPointer, _ direction: FilterDirection) -> HeadVerdict {
        switch kind {
        case .none: return .proceed
        case .resumesAtOnce:
            let handle = unsafe stream.pointee.handle
            if direction == .request { worker.resumeRequest(handle, from: self) } else { worker.resumeResponse(handle, from: self) }
            return .stopAndBuffer
        case .stops, .gathers: return .stop
        case .buffers: return .stopAndBuffer
        case .watermarks: return .stopAndWatermark
        }
    }

    private func data(_ worker: Worker, _ stream: StreamPointer, _ direction: FilterDirection, endStream: Bool) -> DataVerdict {
        switch kind {
        case .none: return .proceed
        case .resumesAtOnce:
            let handle = unsafe stream.pointee.handle
            if direction == .request { worker.resumeRequest(handle, from: self) } else { worker.resumeResponse(handle, from: self) }
            return .stopAndWatermark
        case .stops: return .stopAndBuffer
        case .buffers, .watermarks: return .stopAndWatermark
        case .gathers: return endStream ? .proceed : .stopAndBuffer
        }
    }

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        unsafe head(worker, stream, .request)
    }
    override func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        data.forEach { part in for i in 0..<part.count { request.append(part[i]) } }
        return unsafe self.data(worker, stream, .request, endStream: endStream)
    }
    override func requestTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        switch kind {
        case .none, .gathers: return .proceed
        case .resumesAtOnce:
            unsafe worker.resumeRequest(stream.pointee.handle, from: self)
            return .stop
        default: return .stop
        }
    }
    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        unsafe head(worker, stream, .response)
    }
    override func responseData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        data.forEach { part in for i in 0..<part.count { response.append(part[i]) } }
        return unsafe self.data(worker, stream, .response, endStream: endStream)
    }
    override func responseTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        switch kind {
        case .none, .gathers: return .proceed
        case .resumesAtOnce:
            unsafe worker.resumeResponse(stream.pointee.handle, from: self)
            return .stop
        default: return .stop
        }
    }
    override func destroyed(_ worker: Worker, _ stream: StreamPointer) { destroyedCount += 1 }
}

/// A factory of one instance that the test holds.
final class Given: HTTPFilterFactory {
    private let filter: HTTPFilter
    init(_ filter: HTTPFilter) {
        self.filter = filter
        super.init(name: filter.name)
    }
    override func make(_ worker: Worker) -> HTTPFilter { filter }
}
