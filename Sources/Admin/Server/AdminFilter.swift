// The filter that answers every request of the admin listener, and hands its bodies out piece by piece.

import Pipeline
import Primitives
import Transport
import Wire

final class AdminFilter: HTTPFilter {
    /// A request and its answer on their way.
    private final class Exchange {
        var form: [UInt8] = []
        var body: BodySource?
        /// The stream whose body cannot go on yet.
        var waiting: Handle?
    }

    /// A form is a few parameters. `docs/limits.md` §admin.
    static let formBytesMax = 64 * 1024

    private let handler: AdminHandler
    /// By the number that the stream's state holds, counted from 1; 0: none.
    private var exchanges: [Exchange?] = []
    private var piece: [UInt8] = []

    init(_ handler: AdminHandler) {
        self.handler = handler
        super.init(name: "admin", stateBytes: 8, interest: [.requestHead, .requestBody, .requestTrailers])
    }

    // MARK: The request

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        unsafe begin(stream)
        if endStream { unsafe answer(worker, stream) }
        return .stop
    }

    override func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        guard let exchange = unsafe exchange(stream) else { return .stopWithoutBuffer }
        while let part = data.first, !part.isEmpty {
            exchange.form += Array(part)
            data.consume(part.count, worker.memory)
        }
        if exchange.form.count > AdminFilter.formBytesMax {
            unsafe worker.reply(
                stream, status: 413, body: Bytes("Payload Too Large" as StaticString),
                details: Bytes("request_payload_too_large" as StaticString), flags: [])
        } else if endStream {
            unsafe answer(worker, stream)
        }
        return .stopWithoutBuffer
    }

    override func requestTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        unsafe answer(worker, stream)
        return .stop
    }

    // MARK: The response

    private func answer(_ worker: Worker, _ stream: StreamPointer) {
        guard let exchange = unsafe exchange(stream) else { return }
        func text(_ id: HeaderID) -> String { unsafe stream.pointee.request.value(of: id).map { String($0) } ?? "" }
        var request = unsafe AdminRequest(
            method: String(stream.pointee.request.text(stream.pointee.request.methodText)),
            target: String(stream.pointee.request.text(stream.pointee.request.path)),
            contentType: text(.contentType), body: exchange.form)
        request.accept = text(.accept)
        func text(named name: StaticString) -> String {
            unsafe stream.pointee.request.value(named: Bytes(name)).map { String($0) } ?? ""
        }
        request.authorization = text(.authorization)
        request.fetchSite = text(named: "sec-fetch-site")
        request.userAgent = text(.userAgent)
        request.host = unsafe String(stream.pointee.request.text(stream.pointee.request.authority))
        request.origin = text(.origin)
        request.ifNoneMatch = text(named: "if-none-match")
        let response = handler.answer(request)
        exchange.body = response.body
        Array(response.contentType.utf8).withBytes { type in
            unsafe worker.beginResponse(
                stream, from: self, status: response.status, details: Bytes("admin_filter_response" as StaticString)
            ) { head in
                head.append(.contentType, type)
                response.cacheControl.withBytes { head.append(.cacheControl, $0) }
                head.append(
                    name: Bytes("x-content-type-options" as StaticString), value: Bytes("nosniff" as StaticString))
                for (name, value) in response.headers {
                    name.withBytes { name in value.withBytes { head.append(name: name, value: $0) } }
                }
            }
        }
    }

    override func produce(_ worker: Worker, _ stream: StreamPointer) -> ProduceVerdict {
        guard let exchange = unsafe exchange(stream), let body = exchange.body else { return .finished }
        if body.isWaiting {
            exchange.waiting = unsafe stream.pointee.handle
            return .waiting
        }
        piece.removeAll(keepingCapacity: true)
        let more = body.next(&piece)
        piece.withBytes { unsafe worker.sendProduced(stream, $0) }
        return more ? .more : .finished
    }

    /// Each tick of main's: bodies that can go on do.
    func ticked(_ worker: Worker) {
        for exchange in exchanges {
            guard let exchange, let stream = exchange.waiting, exchange.body?.isWaiting == false else { continue }
            exchange.waiting = nil
            worker.resumeProducing(stream)
        }
    }

    // MARK: Exchanges

    private func begin(_ stream: StreamPointer) {
        let place = exchanges.firstIndex { $0 == nil } ?? exchanges.count
        if place == exchanges.count { exchanges.append(Exchange()) } else { exchanges[place] = Exchange() }
        unsafe number(stream).pointee = UInt64(place + 1)
    }

    private func exchange(_ stream: StreamPointer) -> Exchange? {
        let number = unsafe Int(number(stream).pointee)
        return number > 0 ? exchanges[number - 1] : nil
    }

    private func number(_ stream: StreamPointer) -> UnsafeMutablePointer<UInt64> {
        unsafe state(stream).assumingMemoryBound(to: UInt64.self)
    }

    override func destroyed(_ worker: Worker, _ stream: StreamPointer) {
        let number = unsafe Int(number(stream).pointee)
        if number > 0 { exchanges[number - 1] = nil }
        unsafe self.number(stream).pointee = 0
    }
}

final class AdminFilterFactory: HTTPFilterFactory {
    private let handler: AdminHandler
    private weak var filter: AdminFilter?

    init(_ handler: AdminHandler) {
        self.handler = handler
        super.init(name: "admin")
    }

    override func make(_ worker: Worker) -> HTTPFilter {
        let filter = AdminFilter(handler)
        self.filter = filter
        return filter
    }

    func ticked(_ worker: Worker) { filter?.ticked(worker) }
}
