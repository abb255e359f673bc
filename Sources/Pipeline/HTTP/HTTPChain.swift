// The HTTP filter chain of a stream: requests run it from first to last and end at the Forwarder, responses run it from
// last to first and end at the downstream codec.
//
// A chain without filters (only the router) costs one branch per event. What a stopped stream has received waits in
// `requestBody` or `responseBody`, with one bound: the buffer limit.

import Primitives
import Ring
import Stats
import Transport
import Wire

/// One worker's instances of a filter chain.
@safe
package final class WorkerFilterChain {
    let filters: [HTTPFilter]
    let stateBytes: Int
    let wantsRequestBody: Bool
    let wantsResponseBody: Bool

    init(_ spec: FilterChainSpec, _ worker: Worker) {
        var offset = 0
        filters = spec.factories.enumerated().map { place, factory in
            let filter = factory.make(worker)
            filter.place = UInt16(truncatingIfNeeded: place)
            filter.stateOffset = offset
            offset += (filter.stateBytes + 15) & ~15
            return filter
        }
        stateBytes = offset
        wantsRequestBody = filters.contains { $0.interest.contains(.requestBody) }
        wantsResponseBody = filters.contains { $0.interest.contains(.responseBody) }
    }
}

extension Worker {
    @inline(__always)
    func filters(_ stream: StreamPointer) -> WorkerFilterChain? {
        unsafe stream.pointee.http.pointee.filterChainSpec == nil ? nil : chain(stream.pointee.http)
    }

    func beginFilters(_ stream: StreamPointer) {
        guard let chain = unsafe filters(stream) else { return }
        unsafe stream.pointee.requestFilter = 0
        unsafe stream.pointee.responseFilter = UInt16(truncatingIfNeeded: chain.filters.count)
        unsafe stream.pointee.hasFilters = true
        if chain.stateBytes > 0, let block = memory.blocks.allocate(chain.stateBytes) {
            unsafe block.base.initializeMemory(as: UInt8.self, repeating: 0, count: block.capacity)
            unsafe stream.pointee.filterState = block
        }
    }

    func destroyFilters(_ stream: StreamPointer) {
        guard unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream) else { return }
        for filter in chain.filters { unsafe filter.destroyed(self, stream) }
    }

    // MARK: Request

    // HOT: per message.
    /// The head goes on from `requestFilter` until a filter stops it, or to the Forwarder.
    func runRequestHead(_ stream: StreamPointer, endStream: Bool) {
        if unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream) {
            let handle = unsafe stream.pointee.handle
            while unsafe Int(stream.pointee.requestFilter) < chain.filters.count {
                let filter = unsafe chain.filters[Int(stream.pointee.requestFilter)]
                guard filter.interest.contains(.requestHead), unsafe !isDisabled(filter, stream) else {
                    unsafe stream.pointee.requestFilter &+= 1
                    continue
                }
                let verdict = unsafe filter.requestHead(self, stream, endStream: endStream)
                // The filter may have answered by itself.
                guard unsafe streams[handle] != nil, unsafe !stream.pointee.hasResponseHead else { return }
                switch verdict {
                case .proceed: unsafe stream.pointee.requestFilter &+= 1
                case .stop, .stopAndBuffer, .stopAndWatermark:
                    unsafe stream.pointee.requestIsStopped = true
                    unsafe stream.pointee.requestStop = verdict
                    return
                }
            }
        }
        unsafe forwardRequestHead(stream, endStream: endStream)
    }

    private func isDisabled(_ filter: HTTPFilter, _ stream: StreamPointer) -> Bool {
        guard let route = unsafe stream.pointee.route else { return false }
        let configs = unsafe route.pointee.filterConfigs
        for i in 0..<configs.count where configs[i].filter == filter.place { return configs[i].isDisabled }
        return false
    }

    // HOT: per frame.
    /// A part of the request's body. `buffer`: the receive buffer it lies in; it is retained where the bytes are kept.
    func requestData(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?, endStream: Bool) {
        unsafe stream.pointee.requestBodyBytes &+= UInt64(truncatingIfNeeded: part.count)
        unsafe stream.pointee.activeMs = nowMs
        if endStream {
            unsafe stream.pointee.requestEnded = true
            unsafe stream.pointee.requestEndNs = nowNs
            unsafe stream.pointee.requestTimeoutAtMs = 0
        }
        guard unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream), unsafe chain.wantsRequestBody || stream.pointee.requestIsStopped
        else {
            unsafe forwardRequestData(stream, part, buffer, endStream: endStream)
            return
        }
        guard unsafe keep(part, buffer, in: &stream.pointee.requestBody) else { return unsafe resetDownstream(stream) }
        unsafe runRequestBody(stream, chain, endStream: endStream)
    }

    func keep(_ part: Bytes, _ buffer: UInt16?, in queue: inout ByteQueue) -> Bool {
        if let buffer, part.count > ByteQueue.copyMax, memory.buffers.free > memory.buffers.count / 2 {
            memory.buffers.retain(buffer)
            queue.append(buffer: buffer, part, memory)
            return true
        }
        return queue.append(copying: part, memory)
    }

    /// Everything that waits goes on through the filters, as far as they let it.
    private func runRequestBody(_ stream: StreamPointer, _ chain: WorkerFilterChain, endStream: Bool) {
        let handle = unsafe stream.pointee.handle
        if unsafe stream.pointee.requestIsStopped, unsafe stream.pointee.requestStop != .stop {
            unsafe requestBodyWaits(stream)
            return
        }
        var place = unsafe Int(stream.pointee.requestFilter)
        // A head that was stopped with `.stop` waits at its filter, which sees the body.
        if unsafe !stream.pointee.requestIsStopped { place = 0 }
        while place < chain.filters.count {
            let filter = chain.filters[place]
            guard filter.interest.contains(.requestBody), unsafe !isDisabled(filter, stream) else {
                if unsafe stream.pointee.requestIsStopped { return unsafe requestBodyWaits(stream) }
                place += 1
                continue
            }
            var data = unsafe stream.pointee.requestBody
            unsafe stream.pointee.requestBody = ByteQueue()
            let verdict = unsafe filter.requestData(self, stream, &data, endStream: endStream)
            guard unsafe streams[handle] != nil, unsafe !stream.pointee.hasResponseHead else {
                data.removeAll(memory)
                return
            }
            unsafe stream.pointee.requestBody = data
            switch verdict {
            case .proceed:
                if unsafe stream.pointee.requestIsStopped {
                    // The filter let its body go on, and with it the head that it had stopped.
                    unsafe stream.pointee.requestIsStopped = false
                    unsafe stream.pointee.requestFilter = UInt16(truncatingIfNeeded: place + 1)
                    unsafe runRequestHead(stream, endStream: endStream && stream.pointee.requestBody.isEmpty)
                    guard unsafe streams[handle] != nil, unsafe !stream.pointee.hasResponseHead, unsafe !stream.pointee.requestIsStopped else {
                        return
                    }
                }
                place += 1
            case .stopAndBuffer, .stopAndWatermark:
                if verdict == .stopAndWatermark, unsafe stream.pointee.requestStop != .stopAndWatermark {
                    unsafe stream.pointee.requestStop = .stopAndWatermark
                } else if verdict == .stopAndBuffer, unsafe !stream.pointee.requestIsStopped {
                    unsafe stream.pointee.requestStop = .stopAndBuffer
                }
                unsafe stream.pointee.requestBodyStoppedAt = UInt16(truncatingIfNeeded: place)
                unsafe requestBodyWaits(stream)
                return
            case .stopWithoutBuffer: return
            }
        }
        unsafe flushRequestBody(stream, endStream: endStream)
    }

    private func flushRequestBody(_ stream: StreamPointer, endStream: Bool) {
        var data = unsafe stream.pointee.requestBody
        unsafe stream.pointee.requestBody = ByteQueue()
        unsafe forwardRequestQueue(stream, &data, endStream: endStream)
    }

    /// Body beyond the limit: refused, or not read for now.
    private func requestBodyWaits(_ stream: StreamPointer) {
        let limit = unsafe stream.pointee.route?.pointee.bufferLimit ?? stream.pointee.http.pointee.bufferLimit
        guard unsafe stream.pointee.requestBody.count > limit else { return }
        if unsafe stream.pointee.requestStop == .stopAndWatermark {
            unsafe pauseDownstream(stream)
            return
        }
        unsafe count(stream.pointee.http.pointee.stats, .downstreamRqTooLarge)
        unsafe stream.pointee.closesDownstream = unsafe !stream.pointee.requestEnded || stream.pointee.closesDownstream
        unsafe reply(
            stream, status: 413, body: Bytes("Payload Too Large" as StaticString),
            details: Bytes("request_payload_too_large" as StaticString), flags: [])
    }

    // HOT: per message.
    /// The request is complete without a last body part.
    func requestEnded(_ stream: StreamPointer) {
        unsafe stream.pointee.requestEnded = true
        unsafe stream.pointee.requestEndNs = nowNs
        unsafe stream.pointee.requestTimeoutAtMs = 0
        if unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream) {
            let handle = unsafe stream.pointee.handle
            if unsafe stream.pointee.requestTrailers != nil {
                for filter in chain.filters where unsafe !isDisabled(filter, stream) {
                    if unsafe filter.requestTrailers(self, stream) == .stop {
                        unsafe stream.pointee.requestTrailersStopped = true
                        return
                    }
                    guard unsafe streams[handle] != nil, unsafe !stream.pointee.hasResponseHead else { return }
                }
            } else if unsafe chain.wantsRequestBody || stream.pointee.requestIsStopped {
                unsafe runRequestBody(stream, chain, endStream: true)
                return
            }
        }
        if unsafe stream.pointee.requestIsStopped { return }
        unsafe forwardRequestEnd(stream)
    }

    /// A filter that stopped a request lets it go on behind itself. Nothing happens when the stream is gone.
    package func resumeRequest(_ handle: Handle, from filter: HTTPFilter) {
        guard let stream = unsafe streams[handle], unsafe !stream.pointee.isDestroyed, unsafe !stream.pointee.hasResponseHead,
            let chain = unsafe filters(stream)
        else { return }
        if unsafe stream.pointee.requestIsStopped {
            guard unsafe stream.pointee.requestFilter == filter.place else { return }
            unsafe stream.pointee.requestIsStopped = false
            unsafe stream.pointee.requestFilter = filter.place &+ 1
            let bodyEnds = unsafe stream.pointee.requestEnded && stream.pointee.requestTrailers == nil
            unsafe runRequestHead(stream, endStream: bodyEnds && stream.pointee.requestBody.isEmpty)
            guard unsafe streams[handle] != nil, unsafe !stream.pointee.hasResponseHead, unsafe !stream.pointee.requestIsStopped else { return }
        }
        unsafe resumeRequestBody(stream, chain, behind: filter.place)
    }

    private func resumeRequestBody(_ stream: StreamPointer, _ chain: WorkerFilterChain, behind place: UInt16) {
        let handle = unsafe stream.pointee.handle
        let endStream = unsafe stream.pointee.requestEnded && stream.pointee.requestTrailers == nil
        if unsafe !stream.pointee.requestBody.isEmpty {
            var next = Int(place) + 1
            while next < chain.filters.count {
                let filter = chain.filters[next]
                if filter.interest.contains(.requestBody), unsafe !isDisabled(filter, stream) {
                    var data = unsafe stream.pointee.requestBody
                    unsafe stream.pointee.requestBody = ByteQueue()
                    let verdict = unsafe filter.requestData(self, stream, &data, endStream: endStream)
                    guard unsafe streams[handle] != nil, unsafe !stream.pointee.hasResponseHead else {
                        data.removeAll(memory)
                        return
                    }
                    unsafe stream.pointee.requestBody = data
                    if verdict != .proceed { return unsafe requestBodyWaits(stream) }
                }
                next += 1
            }
            unsafe flushRequestBody(stream, endStream: endStream)
        } else if unsafe stream.pointee.requestEnded, unsafe stream.pointee.requestTrailers != nil || stream.pointee.requestHeadForwarded {
            unsafe forwardRequestEnd(stream)
        }
        guard let stream = unsafe streams[handle] else { return }
        if unsafe stream.pointee.requestEnded, unsafe stream.pointee.requestTrailers != nil { unsafe forwardRequestEnd(stream) }
        unsafe resumeDownstreamReading(stream)
    }

    // MARK: Response

    // HOT: per message.
    /// A response's head, of an upstream or of our own, passes the filters backwards and goes out.
    func responseHead(_ stream: StreamPointer, endStream: Bool) {
        unsafe stream.pointee.hasResponseHead = true
        unsafe stream.pointee.responseStartNs = nowNs
        if unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream) {
            let handle = unsafe stream.pointee.handle
            unsafe stream.pointee.responseFilter = UInt16(truncatingIfNeeded: chain.filters.count)
            guard unsafe runResponseHead(stream, chain, endStream: endStream), unsafe streams[handle] != nil else { return }
        }
        unsafe finishResponseHead(stream, endStream: endStream)
    }

    /// True: on to the codec.
    private func runResponseHead(_ stream: StreamPointer, _ chain: WorkerFilterChain, endStream: Bool) -> Bool {
        let handle = unsafe stream.pointee.handle
        while unsafe stream.pointee.responseFilter > 0 {
            let filter = unsafe chain.filters[Int(stream.pointee.responseFilter) - 1]
            guard filter.interest.contains(.responseHead), unsafe !isDisabled(filter, stream) else {
                unsafe stream.pointee.responseFilter &-= 1
                continue
            }
            let verdict = unsafe filter.responseHead(self, stream, endStream: endStream)
            guard unsafe streams[handle] != nil else { return false }
            switch verdict {
            case .proceed: unsafe stream.pointee.responseFilter &-= 1
            case .stop, .stopAndBuffer, .stopAndWatermark:
                unsafe stream.pointee.responseIsStopped = true
                unsafe stream.pointee.responseStop = verdict
                unsafe stream.pointee.responseHeadEnds = endStream
                return false
            }
        }
        return true
    }

    private func finishResponseHead(_ stream: StreamPointer, endStream: Bool) {
        unsafe finaliseResponse(stream)
        unsafe sendResponseHead(stream, endStream: endStream)
        if endStream { unsafe finishResponse(stream) }
    }

    // HOT: per frame.
    func responseData(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?, endStream: Bool) {
        unsafe stream.pointee.activeMs = nowMs
        if endStream { unsafe stream.pointee.responseEnded = true }
        guard unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream),
            unsafe chain.wantsResponseBody || stream.pointee.responseIsStopped
        else {
            unsafe sendResponseData(stream, part, buffer)
            if endStream { unsafe finishResponse(stream) } else { unsafe watchDownstreamQueue(stream) }
            return
        }
        guard unsafe keep(part, buffer, in: &stream.pointee.responseBody) else { return unsafe resetDownstream(stream) }
        unsafe runResponseBody(stream, chain, endStream: endStream)
    }

    private func runResponseBody(_ stream: StreamPointer, _ chain: WorkerFilterChain, endStream: Bool) {
        let handle = unsafe stream.pointee.handle
        if unsafe stream.pointee.responseIsStopped, unsafe stream.pointee.responseStop != .stop {
            unsafe responseBodyWaits(stream)
            return
        }
        var place = unsafe stream.pointee.responseIsStopped ? Int(stream.pointee.responseFilter) : chain.filters.count
        while place > 0 {
            let filter = chain.filters[place - 1]
            guard filter.interest.contains(.responseBody), unsafe !isDisabled(filter, stream) else {
                if unsafe stream.pointee.responseIsStopped { return unsafe responseBodyWaits(stream) }
                place -= 1
                continue
            }
            var data = unsafe stream.pointee.responseBody
            unsafe stream.pointee.responseBody = ByteQueue()
            let verdict = unsafe filter.responseData(self, stream, &data, endStream: endStream)
            guard unsafe streams[handle] != nil else {
                data.removeAll(memory)
                return
            }
            unsafe stream.pointee.responseBody = data
            switch verdict {
            case .proceed:
                if unsafe stream.pointee.responseIsStopped {
                    unsafe stream.pointee.responseIsStopped = false
                    unsafe stream.pointee.responseFilter = UInt16(truncatingIfNeeded: place - 1)
                    guard unsafe runResponseHead(stream, chain, endStream: false) else { return }
                    unsafe finaliseResponse(stream)
                    unsafe sendResponseHead(stream, endStream: false)
                }
                place -= 1
            case .stopAndBuffer, .stopAndWatermark:
                if verdict == .stopAndWatermark { unsafe stream.pointee.responseStop = .stopAndWatermark }
                return unsafe responseBodyWaits(stream)
            case .stopWithoutBuffer: return
            }
        }
        unsafe flushResponseBody(stream, endStream: endStream)
    }

    private func flushResponseBody(_ stream: StreamPointer, endStream: Bool) {
        var data = unsafe stream.pointee.responseBody
        unsafe stream.pointee.responseBody = ByteQueue()
        while let part = data.first, !data.isEmpty {
            unsafe sendResponseData(stream, part, nil)
            data.consume(part.count, memory)
        }
        data.removeAll(memory)
        if endStream { unsafe finishResponse(stream) } else { unsafe watchDownstreamQueue(stream) }
    }

    private func responseBodyWaits(_ stream: StreamPointer) {
        guard unsafe stream.pointee.responseBody.count > stream.pointee.http.pointee.bufferLimit else { return }
        if unsafe stream.pointee.responseStop == .stopAndWatermark { return unsafe pauseUpstream(stream) }
        unsafe count(stream.pointee.http.pointee.stats, .rsTooLarge)
        if unsafe stream.pointee.responseHeadSent { return unsafe resetDownstream(stream) }
        unsafe stream.pointee.hasResponseHead = false
        unsafe stream.pointee.responseIsStopped = false
        unsafe stream.pointee.responseBody.removeAll(memory)
        unsafe reply(
            stream, status: 500, body: Bytes("Internal Server Error" as StaticString),
            details: Bytes("response_payload_too_large" as StaticString), flags: [])
    }

    // HOT: per message.
    /// The response is complete without a last body part.
    func responseEnded(_ stream: StreamPointer) {
        guard unsafe !stream.pointee.responseEnded else { return }
        unsafe stream.pointee.responseEnded = true
        if unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream) {
            if unsafe stream.pointee.responseTrailers != nil {
                let handle = unsafe stream.pointee.handle
                for filter in chain.filters.reversed() where unsafe !isDisabled(filter, stream) {
                    if unsafe filter.responseTrailers(self, stream) == .stop { return }
                    guard unsafe streams[handle] != nil else { return }
                }
            } else if unsafe chain.wantsResponseBody || stream.pointee.responseIsStopped {
                unsafe runResponseBody(stream, chain, endStream: true)
                return
            }
        }
        if unsafe stream.pointee.responseIsStopped { return }
        unsafe finishResponse(stream)
    }

    /// A filter that stopped a response lets it go on.
    package func resumeResponse(_ handle: Handle, from filter: HTTPFilter) {
        guard let stream = unsafe streams[handle], unsafe !stream.pointee.isDestroyed, let chain = unsafe filters(stream) else { return }
        if unsafe stream.pointee.responseIsStopped {
            guard unsafe stream.pointee.responseFilter == filter.place &+ 1 else { return }
            unsafe stream.pointee.responseIsStopped = false
            unsafe stream.pointee.responseFilter = filter.place
            guard unsafe runResponseHead(stream, chain, endStream: stream.pointee.responseHeadEnds) else { return }
            unsafe finaliseResponse(stream)
            unsafe sendResponseHead(stream, endStream: stream.pointee.responseHeadEnds && stream.pointee.responseBody.isEmpty)
        }
        unsafe flushResponseBody(stream, endStream: stream.pointee.responseEnded || stream.pointee.responseHeadEnds)
        if let stream = unsafe streams[handle] { unsafe resumeUpstreamReading(stream) }
    }

    // HOT: per message.
    /// Everything of the response is queued.
    func finishResponse(_ stream: StreamPointer) {
        unsafe stream.pointee.responseEnded = true
        if unsafe !stream.pointee.requestEnded { unsafe stream.pointee.closesDownstream = true }
        unsafe sendResponseEnd(stream)
        unsafe endStream(stream)
    }
}
