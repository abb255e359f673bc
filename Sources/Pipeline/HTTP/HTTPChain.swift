// The HTTP filter chain of a stream: requests run it from first to last and end at the Forwarder, responses run it from
// last to first and end at the downstream codec.
//
// A chain without filters (only the router) costs one branch per event. With filters, every part of a message goes step
// by step (`ChainPassing`) until a filter stops it; what is stopped waits at that filter's gate, and goes on behind it
// when the filter says so (`ChainResuming`). So each part passes each filter exactly once, and no filter sees a part
// before the filters in front of it have let it go.

import Primitives
import Ring
import Stats
import Transport
import Wire

extension Worker {
    @inline(__always)
    func filters(_ stream: StreamPointer) -> WorkerFilterChain? {
        unsafe stream.pointee.http.pointee.filterChainSpec == nil ? nil : chain(stream.pointee.http)
    }

    /// Call when the route is known. False: no memory.
    package func beginFilters(_ stream: StreamPointer) -> Bool {
        guard let chain = unsafe filters(stream), !chain.filters.isEmpty else { return true }
        guard let block = memory.blocks.allocate(chain.stateBytes) else { return false }
        unsafe block.base.initializeMemory(as: UInt8.self, repeating: 0, count: chain.stateBytes)
        unsafe stream.pointee.filterState = block
        unsafe stream.pointee.hasFilters = true
        chain.streamCount &+= 1
        unsafe chain.skipDisabled(stream)
        return true
    }

    /// Tells the filters that the stream is going, and gives back what the chain keeps for it.
    func destroyFilters(_ stream: StreamPointer) {
        guard unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream) else { return }
        unsafe cancelCalls(of: stream)
        for step in 0..<chain.filters.count where unsafe !chain.gate(.request, step, stream).pointee.isSkipped {
            unsafe chain.filters[step].destroyed(self, stream)
        }
        unsafe chain.removeHeld(.request, stream, memory)
        unsafe chain.removeHeld(.response, stream, memory)
        unsafe stream.pointee.hasFilters = false
        chain.streamCount &-= 1
        if chain.isRetired, chain.streamCount == 0 { unsafe chains[Int(stream.pointee.http.pointee.filterChain)] = nil }
    }

    // MARK: Request

    // HOT: per message.
    /// The head goes on until a filter stops it, or to the Forwarder.
    package func runRequestHead(_ stream: StreamPointer, endStream: Bool) {
        guard unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream) else {
            return unsafe forwardRequestHead(stream, endStream: endStream)
        }
        let pass = unsafe enter(.request, stream)
        _ = unsafe passHead(.request, stream, chain, from: 0, endStream: endStream)
        unsafe leave(.request, stream, chain, pass)
    }

    // HOT: per frame.
    /// A part of the request's body. `buffer`: the receive buffer it lies in; it is retained where the bytes are kept.
    package func requestData(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?, endStream: Bool) {
        unsafe stream.pointee.requestBodyBytes &+= UInt64(truncatingIfNeeded: part.count)
        unsafe stream.pointee.activeMs = nowMs
        if endStream {
            unsafe stream.pointee.requestEnded = true
            unsafe stream.pointee.requestEndNs = nowNs
            unsafe stream.pointee.requestTimeoutAtMs = 0
        }
        guard unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream),
            unsafe chain.interest.contains(.requestBody) || !stream.pointee.requestHeadForwarded
        else {
            unsafe forwardRequestData(stream, part, buffer, endStream: endStream)
            return
        }
        // What comes behind an answer of ours is read and dropped.
        if unsafe stream.pointee.isLocalReply { return }
        var data = ByteQueue()
        guard keep(part, buffer, in: &data) else {
            unsafe downstreamOutOfMemory(stream)
            return
        }
        let pass = unsafe enter(.request, stream)
        _ = unsafe passData(.request, stream, chain, from: 0, &data, endStream: endStream)
        unsafe leave(.request, stream, chain, pass)
    }

    func keep(_ part: Bytes, _ buffer: UInt16?, in queue: inout ByteQueue) -> Bool {
        if let buffer, part.count > ByteQueue.copyMax, memory.buffers.free > memory.buffers.count / 2 {
            memory.buffers.retain(buffer)
            queue.append(buffer: buffer, part, memory)
            return true
        }
        return queue.append(copying: part, memory)
    }

    // HOT: per message.
    /// The request is complete without a last body part.
    package func requestEnded(_ stream: StreamPointer) {
        unsafe stream.pointee.requestEnded = true
        unsafe stream.pointee.requestEndNs = nowNs
        unsafe stream.pointee.requestTimeoutAtMs = 0
        guard unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream),
            unsafe !chain.interest.isDisjoint(with: [.requestBody, .requestTrailers]) || !stream.pointee.requestHeadForwarded
        else { return unsafe forwardRequestEnd(stream) }
        if unsafe stream.pointee.isLocalReply { return }
        let pass = unsafe enter(.request, stream)
        if unsafe stream.pointee.requestTrailers != nil {
            _ = unsafe passTrailers(.request, stream, chain, from: 0)
        } else {
            var nothing = ByteQueue()
            _ = unsafe passData(.request, stream, chain, from: 0, &nothing, endStream: true)
        }
        unsafe leave(.request, stream, chain, pass)
    }

    // MARK: Response

    // HOT: per message.
    /// A response's head, of an upstream or of our own, passes the filters backwards and goes out.
    package func responseHead(_ stream: StreamPointer, endStream: Bool) {
        unsafe stream.pointee.hasResponseHead = true
        unsafe stream.pointee.responseStartNs = nowNs
        guard unsafe stream.pointee.hasFilters, unsafe !stream.pointee.bypassesFilters, let chain = unsafe filters(stream) else {
            return unsafe sendFinalHead(stream, endStream: endStream)
        }
        let pass = unsafe enter(.response, stream)
        _ = unsafe passHead(.response, stream, chain, from: 0, endStream: endStream)
        unsafe leave(.response, stream, chain, pass)
    }

    func sendFinalHead(_ stream: StreamPointer, endStream: Bool) {
        unsafe finaliseResponse(stream)
        guard unsafe sendResponseHead(stream, endStream: endStream) else { return }
        unsafe countAnswer(stream)
        if unsafe stream.pointee.isTunnel, unsafe stream.pointee.http.pointee.logTimes.atTunnel {
            unsafe log(stream, .downstreamTunnelSuccessfullyEstablished)
        }
        if endStream { unsafe finishResponse(stream) }
    }

    // HOT: per frame.
    package func responseData(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?, endStream: Bool) {
        unsafe stream.pointee.activeMs = nowMs
        if unsafe isTunnelled(stream) { return unsafe tunnelReceived(stream, part, buffer) }
        if endStream {
            unsafe stream.pointee.responseEnded = true
            unsafe closeHostVerdict(stream)
        }
        guard unsafe stream.pointee.hasFilters, unsafe !stream.pointee.bypassesFilters, let chain = unsafe filters(stream),
            unsafe chain.interest.contains(.responseBody) || !stream.pointee.responseHeadSent
        else {
            guard unsafe sendResponseData(stream, part, buffer) else { return }
            if endStream { unsafe finishResponse(stream) } else { unsafe watchDownstreamQueue(stream) }
            return
        }
        var data = ByteQueue()
        guard keep(part, buffer, in: &data) else {
            unsafe downstreamOutOfMemory(stream)
            return
        }
        let pass = unsafe enter(.response, stream)
        _ = unsafe passData(.response, stream, chain, from: 0, &data, endStream: endStream)
        unsafe leave(.response, stream, chain, pass)
    }

    // HOT: per message.
    /// The response is complete without a last body part.
    package func responseEnded(_ stream: StreamPointer) {
        guard unsafe !stream.pointee.responseEnded else { return }
        if unsafe isTunnelled(stream) { return unsafe tunnelResponseEnded(stream) }
        unsafe stream.pointee.responseEnded = true
        unsafe RepeatedHeaders.joinStatus(&stream.pointee.responseTrailers)
        unsafe closeHostVerdict(stream)
        guard unsafe stream.pointee.hasFilters, unsafe !stream.pointee.bypassesFilters, let chain = unsafe filters(stream),
            unsafe !chain.interest.isDisjoint(with: [.responseBody, .responseTrailers]) || !stream.pointee.responseHeadSent
        else { return unsafe finishResponse(stream) }
        let pass = unsafe enter(.response, stream)
        if unsafe stream.pointee.responseTrailers != nil {
            _ = unsafe passTrailers(.response, stream, chain, from: 0)
        } else {
            var nothing = ByteQueue()
            _ = unsafe passData(.response, stream, chain, from: 0, &nothing, endStream: true)
        }
        unsafe leave(.response, stream, chain, pass)
    }

    // HOT: per message.
    /// Everything of the response is queued.
    func finishResponse(_ stream: StreamPointer) {
        unsafe stream.pointee.responseEnded = true
        if unsafe !stream.pointee.requestEnded { unsafe stream.pointee.closesDownstream = true }
        guard unsafe sendResponseEnd(stream) else { return }
        unsafe endStream(stream)
    }
}
