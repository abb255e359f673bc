// The HTTP filter chain of a stream: requests run it from first to last and end at the Forwarder, responses run it from
// last to first and end at the downstream codec.
//
// A chain without filters (only the router) costs one branch per event. What a stopped stream has received waits in
// `requestBody` or `responseBody`, with one bound: the buffer limit.

import Primitives
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
        stream.pointee.http.pointee.filterChainSpec == nil ? nil : chain(stream.pointee.http)
    }

    func beginFilters(_ stream: StreamPointer) {
        guard let chain = filters(stream) else { return }
        stream.pointee.requestFilter = 0
        stream.pointee.responseFilter = UInt16(truncatingIfNeeded: chain.filters.count)
        stream.pointee.hasFilters = true
        if chain.stateBytes > 0, let block = memory.blocks.allocate(chain.stateBytes) {
            block.base.initializeMemory(as: UInt8.self, repeating: 0, count: block.capacity)
            stream.pointee.filterState = block
        }
    }

    func destroyFilters(_ stream: StreamPointer) {
        guard stream.pointee.hasFilters, let chain = filters(stream) else { return }
        for filter in chain.filters { filter.destroyed(self, stream) }
    }

    // MARK: Request

    // HOT: per message.
    /// The head goes on from `requestFilter` until a filter stops it, or to the Forwarder.
    func runRequestHead(_ stream: StreamPointer, endStream: Bool) {
        if stream.pointee.hasFilters, let chain = filters(stream) {
            let handle = stream.pointee.handle
            while Int(stream.pointee.requestFilter) < chain.filters.count {
                let filter = chain.filters[Int(stream.pointee.requestFilter)]
                guard filter.interest.contains(.requestHead), !isDisabled(filter, stream) else {
                    stream.pointee.requestFilter &+= 1
                    continue
                }
                let verdict = filter.requestHead(self, stream, endStream: endStream)
                // The filter may have answered by itself.
                guard streams[handle] != nil, !stream.pointee.hasResponseHead else { return }
                switch verdict {
                case .proceed: stream.pointee.requestFilter &+= 1
                case .stop, .stopAndBuffer, .stopAndWatermark:
                    stream.pointee.requestIsStopped = true
                    stream.pointee.requestStop = verdict
                    return
                }
            }
        }
        forwardRequestHead(stream, endStream: endStream)
    }

    private func isDisabled(_ filter: HTTPFilter, _ stream: StreamPointer) -> Bool {
        guard let route = stream.pointee.route else { return false }
        let configs = route.pointee.filterConfigs
        for i in 0..<configs.count where configs[i].filter == filter.place { return configs[i].isDisabled }
        return false
    }

    // HOT: per frame.
    /// A part of the request's body. `buffer`: the receive buffer it lies in; it is retained where the bytes are kept.
    func requestData(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?, endStream: Bool) {
        stream.pointee.requestBodyBytes &+= UInt64(truncatingIfNeeded: part.count)
        stream.pointee.activeMs = nowMs
        if endStream {
            stream.pointee.requestEnded = true
            stream.pointee.requestEndNs = nowNs
            stream.pointee.requestTimeoutAtMs = 0
        }
        guard stream.pointee.hasFilters, let chain = filters(stream), chain.wantsRequestBody || stream.pointee.requestIsStopped
        else {
            forwardRequestData(stream, part, buffer, endStream: endStream)
            return
        }
        guard keep(part, buffer, in: &stream.pointee.requestBody) else { return resetDownstream(stream) }
        runRequestBody(stream, chain, endStream: endStream)
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
        let handle = stream.pointee.handle
        if stream.pointee.requestIsStopped, stream.pointee.requestStop != .stop {
            requestBodyWaits(stream)
            return
        }
        var place = Int(stream.pointee.requestFilter)
        // A head that was stopped with `.stop` waits at its filter, which sees the body.
        if !stream.pointee.requestIsStopped { place = 0 }
        while place < chain.filters.count {
            let filter = chain.filters[place]
            guard filter.interest.contains(.requestBody), !isDisabled(filter, stream) else {
                if stream.pointee.requestIsStopped { return requestBodyWaits(stream) }
                place += 1
                continue
            }
            var data = stream.pointee.requestBody
            stream.pointee.requestBody = ByteQueue()
            let verdict = filter.requestData(self, stream, &data, endStream: endStream)
            guard streams[handle] != nil, !stream.pointee.hasResponseHead else {
                data.removeAll(memory)
                return
            }
            stream.pointee.requestBody = data
            switch verdict {
            case .proceed:
                if stream.pointee.requestIsStopped {
                    // The filter let its body go on, and with it the head that it had stopped.
                    stream.pointee.requestIsStopped = false
                    stream.pointee.requestFilter = UInt16(truncatingIfNeeded: place + 1)
                    runRequestHead(stream, endStream: endStream && stream.pointee.requestBody.isEmpty)
                    guard streams[handle] != nil, !stream.pointee.hasResponseHead, !stream.pointee.requestIsStopped else {
                        return
                    }
                }
                place += 1
            case .stopAndBuffer, .stopAndWatermark:
                if verdict == .stopAndWatermark, stream.pointee.requestStop != .stopAndWatermark {
                    stream.pointee.requestStop = .stopAndWatermark
                } else if verdict == .stopAndBuffer, !stream.pointee.requestIsStopped {
                    stream.pointee.requestStop = .stopAndBuffer
                }
                stream.pointee.requestBodyStoppedAt = UInt16(truncatingIfNeeded: place)
                requestBodyWaits(stream)
                return
            case .stopWithoutBuffer: return
            }
        }
        flushRequestBody(stream, endStream: endStream)
    }

    private func flushRequestBody(_ stream: StreamPointer, endStream: Bool) {
        var data = stream.pointee.requestBody
        stream.pointee.requestBody = ByteQueue()
        forwardRequestQueue(stream, &data, endStream: endStream)
    }

    /// Body beyond the limit: refused, or not read for now.
    private func requestBodyWaits(_ stream: StreamPointer) {
        let limit = stream.pointee.route?.pointee.bufferLimit ?? stream.pointee.http.pointee.bufferLimit
        guard stream.pointee.requestBody.count > limit else { return }
        if stream.pointee.requestStop == .stopAndWatermark {
            pauseDownstream(stream)
            return
        }
        count(stream.pointee.http.pointee.stats, .downstreamRqTooLarge)
        stream.pointee.closesDownstream = !stream.pointee.requestEnded || stream.pointee.closesDownstream
        reply(
            stream, status: 413, body: Bytes("Payload Too Large" as StaticString),
            details: Bytes("request_payload_too_large" as StaticString), flags: [])
    }

    // HOT: per message.
    /// The request is complete without a last body part.
    func requestEnded(_ stream: StreamPointer) {
        stream.pointee.requestEnded = true
        stream.pointee.requestEndNs = nowNs
        stream.pointee.requestTimeoutAtMs = 0
        if stream.pointee.hasFilters, let chain = filters(stream) {
            let handle = stream.pointee.handle
            if stream.pointee.requestTrailers != nil {
                for filter in chain.filters where !isDisabled(filter, stream) {
                    if filter.requestTrailers(self, stream) == .stop {
                        stream.pointee.requestTrailersStopped = true
                        return
                    }
                    guard streams[handle] != nil, !stream.pointee.hasResponseHead else { return }
                }
            } else if chain.wantsRequestBody || stream.pointee.requestIsStopped {
                runRequestBody(stream, chain, endStream: true)
                return
            }
        }
        if stream.pointee.requestIsStopped { return }
        forwardRequestEnd(stream)
    }

    /// A filter that stopped a request lets it go on behind itself. Nothing happens when the stream is gone.
    package func resumeRequest(_ handle: Handle, from filter: HTTPFilter) {
        guard let stream = streams[handle], !stream.pointee.isDestroyed, !stream.pointee.hasResponseHead,
            let chain = filters(stream)
        else { return }
        if stream.pointee.requestIsStopped {
            guard stream.pointee.requestFilter == filter.place else { return }
            stream.pointee.requestIsStopped = false
            stream.pointee.requestFilter = filter.place &+ 1
            let bodyEnds = stream.pointee.requestEnded && stream.pointee.requestTrailers == nil
            runRequestHead(stream, endStream: bodyEnds && stream.pointee.requestBody.isEmpty)
            guard streams[handle] != nil, !stream.pointee.hasResponseHead, !stream.pointee.requestIsStopped else { return }
        }
        resumeRequestBody(stream, chain, behind: filter.place)
    }

    private func resumeRequestBody(_ stream: StreamPointer, _ chain: WorkerFilterChain, behind place: UInt16) {
        let handle = stream.pointee.handle
        let endStream = stream.pointee.requestEnded && stream.pointee.requestTrailers == nil
        if !stream.pointee.requestBody.isEmpty {
            var next = Int(place) + 1
            while next < chain.filters.count {
                let filter = chain.filters[next]
                if filter.interest.contains(.requestBody), !isDisabled(filter, stream) {
                    var data = stream.pointee.requestBody
                    stream.pointee.requestBody = ByteQueue()
                    let verdict = filter.requestData(self, stream, &data, endStream: endStream)
                    guard streams[handle] != nil, !stream.pointee.hasResponseHead else {
                        data.removeAll(memory)
                        return
                    }
                    stream.pointee.requestBody = data
                    if verdict != .proceed { return requestBodyWaits(stream) }
                }
                next += 1
            }
            flushRequestBody(stream, endStream: endStream)
        } else if stream.pointee.requestEnded, stream.pointee.requestTrailers != nil || stream.pointee.requestHeadForwarded {
            forwardRequestEnd(stream)
        }
        guard let stream = streams[handle] else { return }
        if stream.pointee.requestEnded, stream.pointee.requestTrailers != nil { forwardRequestEnd(stream) }
        resumeDownstreamReading(stream)
    }

    // MARK: Response

    // HOT: per message.
    /// A response's head, of an upstream or of our own, passes the filters backwards and goes out.
    func responseHead(_ stream: StreamPointer, endStream: Bool) {
        stream.pointee.hasResponseHead = true
        stream.pointee.responseStartNs = nowNs
        if stream.pointee.hasFilters, let chain = filters(stream) {
            let handle = stream.pointee.handle
            stream.pointee.responseFilter = UInt16(truncatingIfNeeded: chain.filters.count)
            guard runResponseHead(stream, chain, endStream: endStream), streams[handle] != nil else { return }
        }
        finishResponseHead(stream, endStream: endStream)
    }

    /// True: on to the codec.
    private func runResponseHead(_ stream: StreamPointer, _ chain: WorkerFilterChain, endStream: Bool) -> Bool {
        let handle = stream.pointee.handle
        while stream.pointee.responseFilter > 0 {
            let filter = chain.filters[Int(stream.pointee.responseFilter) - 1]
            guard filter.interest.contains(.responseHead), !isDisabled(filter, stream) else {
                stream.pointee.responseFilter &-= 1
                continue
            }
            let verdict = filter.responseHead(self, stream, endStream: endStream)
            guard streams[handle] != nil else { return false }
            switch verdict {
            case .proceed: stream.pointee.responseFilter &-= 1
            case .stop, .stopAndBuffer, .stopAndWatermark:
                stream.pointee.responseIsStopped = true
                stream.pointee.responseStop = verdict
                stream.pointee.responseHeadEnds = endStream
                return false
            }
        }
        return true
    }

    private func finishResponseHead(_ stream: StreamPointer, endStream: Bool) {
        finaliseResponse(stream)
        sendResponseHead(stream, endStream: endStream)
        if endStream { finishResponse(stream) }
    }

    // HOT: per frame.
    func responseData(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?, endStream: Bool) {
        stream.pointee.activeMs = nowMs
        if endStream { stream.pointee.responseEnded = true }
        guard stream.pointee.hasFilters, let chain = filters(stream),
            chain.wantsResponseBody || stream.pointee.responseIsStopped
        else {
            sendResponseData(stream, part, buffer)
            if endStream { finishResponse(stream) } else { watchDownstreamQueue(stream) }
            return
        }
        guard keep(part, buffer, in: &stream.pointee.responseBody) else { return resetDownstream(stream) }
        runResponseBody(stream, chain, endStream: endStream)
    }

    private func runResponseBody(_ stream: StreamPointer, _ chain: WorkerFilterChain, endStream: Bool) {
        let handle = stream.pointee.handle
        if stream.pointee.responseIsStopped, stream.pointee.responseStop != .stop {
            responseBodyWaits(stream)
            return
        }
        var place = stream.pointee.responseIsStopped ? Int(stream.pointee.responseFilter) : chain.filters.count
        while place > 0 {
            let filter = chain.filters[place - 1]
            guard filter.interest.contains(.responseBody), !isDisabled(filter, stream) else {
                if stream.pointee.responseIsStopped { return responseBodyWaits(stream) }
                place -= 1
                continue
            }
            var data = stream.pointee.responseBody
            stream.pointee.responseBody = ByteQueue()
            let verdict = filter.responseData(self, stream, &data, endStream: endStream)
            guard streams[handle] != nil else {
                data.removeAll(memory)
                return
            }
            stream.pointee.responseBody = data
            switch verdict {
            case .proceed:
                if stream.pointee.responseIsStopped {
                    stream.pointee.responseIsStopped = false
                    stream.pointee.responseFilter = UInt16(truncatingIfNeeded: place - 1)
                    guard runResponseHead(stream, chain, endStream: false) else { return }
                    finaliseResponse(stream)
                    sendResponseHead(stream, endStream: false)
                }
                place -= 1
            case .stopAndBuffer, .stopAndWatermark:
                if verdict == .stopAndWatermark { stream.pointee.responseStop = .stopAndWatermark }
                return responseBodyWaits(stream)
            case .stopWithoutBuffer: return
            }
        }
        flushResponseBody(stream, endStream: endStream)
    }

    private func flushResponseBody(_ stream: StreamPointer, endStream: Bool) {
        var data = stream.pointee.responseBody
        stream.pointee.responseBody = ByteQueue()
        while let part = data.first, !data.isEmpty {
            sendResponseData(stream, part, nil)
            data.consume(part.count, memory)
        }
        data.removeAll(memory)
        if endStream { finishResponse(stream) } else { watchDownstreamQueue(stream) }
    }

    private func responseBodyWaits(_ stream: StreamPointer) {
        guard stream.pointee.responseBody.count > stream.pointee.http.pointee.bufferLimit else { return }
        if stream.pointee.responseStop == .stopAndWatermark { return pauseUpstream(stream) }
        count(stream.pointee.http.pointee.stats, .rsTooLarge)
        if stream.pointee.responseHeadSent { return resetDownstream(stream) }
        stream.pointee.hasResponseHead = false
        stream.pointee.responseIsStopped = false
        stream.pointee.responseBody.removeAll(memory)
        reply(
            stream, status: 500, body: Bytes("Internal Server Error" as StaticString),
            details: Bytes("response_payload_too_large" as StaticString), flags: [])
    }

    // HOT: per message.
    /// The response is complete without a last body part.
    func responseEnded(_ stream: StreamPointer) {
        guard !stream.pointee.responseEnded else { return }
        stream.pointee.responseEnded = true
        if stream.pointee.hasFilters, let chain = filters(stream) {
            if stream.pointee.responseTrailers != nil {
                let handle = stream.pointee.handle
                for filter in chain.filters.reversed() where !isDisabled(filter, stream) {
                    if filter.responseTrailers(self, stream) == .stop { return }
                    guard streams[handle] != nil else { return }
                }
            } else if chain.wantsResponseBody || stream.pointee.responseIsStopped {
                runResponseBody(stream, chain, endStream: true)
                return
            }
        }
        if stream.pointee.responseIsStopped { return }
        finishResponse(stream)
    }

    /// A filter that stopped a response lets it go on.
    package func resumeResponse(_ handle: Handle, from filter: HTTPFilter) {
        guard let stream = streams[handle], !stream.pointee.isDestroyed, let chain = filters(stream) else { return }
        if stream.pointee.responseIsStopped {
            guard stream.pointee.responseFilter == filter.place &+ 1 else { return }
            stream.pointee.responseIsStopped = false
            stream.pointee.responseFilter = filter.place
            guard runResponseHead(stream, chain, endStream: stream.pointee.responseHeadEnds) else { return }
            finaliseResponse(stream)
            sendResponseHead(stream, endStream: stream.pointee.responseHeadEnds && stream.pointee.responseBody.isEmpty)
        }
        flushResponseBody(stream, endStream: stream.pointee.responseEnded || stream.pointee.responseHeadEnds)
        if let stream = streams[handle] { resumeUpstreamReading(stream) }
    }

    // HOT: per message.
    /// Everything of the response is queued.
    func finishResponse(_ stream: StreamPointer) {
        stream.pointee.responseEnded = true
        if !stream.pointee.requestEnded { stream.pointee.closesDownstream = true }
        sendResponseEnd(stream)
        endStream(stream)
    }
}
