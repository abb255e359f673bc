// How a message's parts go from filter to filter, in both directions alike.
//
// `pass…` hands a part to the filters from `step` on until one stops it, and to the chain's end otherwise. Every one of
// them answers whether the message still goes on: false when a filter has answered by itself, begun the stream anew or
// ended it; then `stream` may be gone and nothing of it may be touched.

import Primitives
import Stats
import Transport
import Wire

/// Which stream, and which run of its chain: a filter may end either while it is called.
struct ChainPass {
    let handle: Handle
    let run: UInt16
}

extension Worker {
    func pass(of stream: StreamPointer) -> ChainPass {
        unsafe ChainPass(handle: stream.pointee.handle, run: stream.pointee.chainRun)
    }

    /// The stream lives, and its chain has not been begun anew.
    @inline(__always)
    func isCurrent(_ pass: ChainPass, _ stream: StreamPointer) -> Bool {
        unsafe streams[pass.handle] != nil && !stream.pointee.isDestroyed && stream.pointee.chainRun == pass.run
    }

    /// And this direction of it goes on: an answer of ours ends the request, and the response that it replaces.
    @inline(__always)
    func goesOn(_ direction: FilterDirection, _ stream: StreamPointer, _ pass: ChainPass) -> Bool {
        guard unsafe isCurrent(pass, stream) else { return false }
        return unsafe direction == .request ? !stream.pointee.isLocalReply : !stream.pointee.bypassesFilters
    }

    // MARK: Head

    // HOT: per message.
    func passHead(
        _ direction: FilterDirection, _ stream: StreamPointer, _ chain: WorkerFilterChain, from first: Int, endStream: Bool
    ) -> Bool {
        let pass = unsafe pass(of: stream)
        let wanted: FilterInterest = direction == .request ? .requestHead : .responseHead
        var endStream = endStream
        var step = first
        while step < chain.filters.count {
            let filter = chain.filter(direction, step)
            let gate = unsafe chain.gate(direction, step, stream)
            step &+= 1
            guard filter.interest.contains(wanted), unsafe !gate.pointee.isSkipped else { continue }
            // Until it has said otherwise: what it adds from inside its call waits here.
            unsafe gate.pointee.headIsStopped = true
            let verdict = unsafe direction == .request
                ? filter.requestHead(self, stream, endStream: endStream)
                : filter.responseHead(self, stream, endStream: endStream)
            guard unsafe goesOn(direction, stream, pass) else { return false }
            switch verdict {
            case .proceed, .proceedAndHoldEnd:
                unsafe gate.pointee.headIsStopped = false
                if endStream, verdict == .proceedAndHoldEnd {
                    unsafe gate.pointee.endWaits = true
                    endStream = false
                }
                // A body or trailers that the filter gave to a message without: they follow the head.
                let adds = unsafe !gate.pointee.held.isEmpty || (endStream && hasTrailers(direction, stream))
                if adds { return unsafe passAdded(direction, stream, chain, gate, from: step, endStream: endStream) }
            case .stop, .stopAndBuffer, .stopAndWatermark:
                unsafe gate.pointee.keepsUnseen = verdict != .stop
                unsafe gate.pointee.stopsReading = verdict == .stopAndWatermark
                unsafe gate.pointee.endWaits = endStream
                return true
            }
        }
        if direction == .request {
            unsafe forwardRequestHead(stream, endStream: endStream)
        } else {
            unsafe sendFinalHead(stream, endStream: endStream)
        }
        return unsafe goesOn(direction, stream, pass)
    }

    private func passAdded(
        _ direction: FilterDirection, _ stream: StreamPointer, _ chain: WorkerFilterChain,
        _ gate: UnsafeMutablePointer<FilterGate>, from step: Int, endStream: Bool
    ) -> Bool {
        let trailersFollow = unsafe endStream && hasTrailers(direction, stream)
        guard unsafe passHead(direction, stream, chain, from: step, endStream: false) else { return false }
        var data = unsafe gate.pointee.takeHeld()
        if !data.isEmpty {
            guard unsafe passData(direction, stream, chain, from: step, &data, endStream: endStream && !trailersFollow) else {
                return false
            }
        }
        return unsafe trailersFollow ? passTrailers(direction, stream, chain, from: step) : true
    }

    // MARK: Body

    // HOT: per frame.
    /// Takes over `data`: it is empty behind the call.
    func passData(
        _ direction: FilterDirection, _ stream: StreamPointer, _ chain: WorkerFilterChain, from first: Int,
        _ data: inout ByteQueue, endStream: Bool
    ) -> Bool {
        let pass = unsafe pass(of: stream)
        let wanted: FilterInterest = direction == .request ? .requestBody : .responseBody
        var step = first
        while step < chain.filters.count {
            let filter = chain.filter(direction, step)
            let gate = unsafe chain.gate(direction, step, stream)
            step &+= 1
            if unsafe gate.pointee.isSkipped { continue }
            if unsafe gate.pointee.isOver {
                data.removeAll(memory)
                return true
            }
            let isUnseen = unsafe gate.pointee.keepsUnseen
            if isUnseen || !filter.interest.contains(wanted) {
                guard unsafe isUnseen || gate.pointee.isStopped else { continue }
                unsafe gate.pointee.hold(&data, endStream: endStream)
                return unsafe limitHeld(direction, stream, chain, gate)
            }
            let verdict = unsafe direction == .request
                ? filter.requestData(self, stream, &data, endStream: endStream)
                : filter.responseData(self, stream, &data, endStream: endStream)
            guard unsafe goesOn(direction, stream, pass) else {
                data.removeAll(memory)
                return false
            }
            switch verdict {
            case .proceed:
                let waited = unsafe gate.pointee.isStopped || !gate.pointee.held.isEmpty
                let trailersFollow = unsafe endStream && hasTrailers(direction, stream)
                guard waited || trailersFollow else {
                    if data.isEmpty, !endStream { return true }
                    continue
                }
                unsafe gate.pointee.hold(&data, endStream: endStream)
                if trailersFollow { unsafe gate.pointee.trailersWait = true }
                return unsafe release(direction, stream, chain, step: step &- 1)
            case .stopAndBuffer, .stopAndWatermark:
                unsafe gate.pointee.bodyIsStopped = true
                unsafe gate.pointee.stopsReading = verdict == .stopAndWatermark
                unsafe gate.pointee.hold(&data, endStream: endStream)
                return unsafe limitHeld(direction, stream, chain, gate)
            case .stopWithoutBuffer:
                data.removeAll(memory)
                unsafe gate.pointee.bodyIsStopped = true
                unsafe gate.pointee.hold(&data, endStream: endStream)
                return true
            }
        }
        if direction == .request {
            unsafe forwardRequestQueue(stream, &data, endStream: endStream)
        } else {
            unsafe sendResponseQueue(stream, &data, endStream: endStream)
        }
        return unsafe goesOn(direction, stream, pass)
    }

    /// Body beyond the limit: refused, or its source is not read for now.
    func limitHeld(
        _ direction: FilterDirection, _ stream: StreamPointer, _ chain: WorkerFilterChain,
        _ gate: UnsafeMutablePointer<FilterGate>
    ) -> Bool {
        // A filter that waits must not keep the worker's receive buffers.
        if unsafe gate.pointee.held.bufferCount > Worker.heldBuffersMax {
            guard unsafe gate.pointee.held.detach(memory) else {
                unsafe downstreamOutOfMemory(stream)
                return false
            }
        }
        guard unsafe chain.heldBytes(direction, stream) > bufferLimit(direction, stream) else { return true }
        let stopsReading = unsafe gate.pointee.stopsReading
        switch (direction, stopsReading) {
        case (.request, true):
            unsafe stream.pointee.requestIsHeldBack = true
            unsafe pauseDownstream(stream)
            return true
        case (.response, true):
            unsafe stream.pointee.responseIsHeldBack = true
            unsafe pauseUpstream(stream)
            return true
        case (.request, false):
            unsafe count(stream.pointee.http.pointee.stats, .downstreamRqTooLarge)
            // Envoy sees the excess before the request's end, so the connection closes even where the end is here too.
            if unsafe !isHTTP2(stream) { unsafe stream.pointee.closesDownstream = true }
            unsafe stream.pointee.requestEnded = false
            unsafe reply(
                stream, status: 413, body: Bytes("Payload Too Large" as StaticString),
                details: Bytes("request_payload_too_large" as StaticString), flags: [])
            return false
        case (.response, false):
            unsafe count(stream.pointee.http.pointee.stats, .rsTooLarge)
            unsafe reply(
                stream, status: 500, body: Bytes("Internal Server Error" as StaticString),
                details: Bytes("response_payload_too_large" as StaticString), flags: [])
            return false
        }
    }

    // MARK: Trailers

    // HOT: per message.
    func passTrailers(
        _ direction: FilterDirection, _ stream: StreamPointer, _ chain: WorkerFilterChain, from first: Int
    ) -> Bool {
        let pass = unsafe pass(of: stream)
        let wanted: FilterInterest =
            direction == .request ? [.requestTrailers, .requestBody] : [.responseTrailers, .responseBody]
        var step = first
        while step < chain.filters.count {
            let filter = chain.filter(direction, step)
            let gate = unsafe chain.gate(direction, step, stream)
            step &+= 1
            if unsafe gate.pointee.isSkipped { continue }
            if unsafe gate.pointee.isOver { return true }
            if unsafe gate.pointee.keepsUnseen || filter.interest.isDisjoint(with: wanted) {
                guard unsafe gate.pointee.isStopped else { continue }
                unsafe gate.pointee.trailersWait = true
                return true
            }
            let verdict = unsafe direction == .request
                ? filter.requestTrailers(self, stream) : filter.responseTrailers(self, stream)
            guard unsafe goesOn(direction, stream, pass) else { return false }
            if verdict == .stop {
                unsafe gate.pointee.trailersWait = true
                return true
            }
            if unsafe gate.pointee.isStopped || !gate.pointee.held.isEmpty {
                unsafe gate.pointee.trailersWait = true
                return unsafe release(direction, stream, chain, step: step &- 1)
            }
        }
        if direction == .request { unsafe forwardRequestEnd(stream) } else { unsafe finishResponse(stream) }
        return unsafe goesOn(direction, stream, pass)
    }

    @inline(__always)
    func hasTrailers(_ direction: FilterDirection, _ stream: StreamPointer) -> Bool {
        unsafe direction == .request ? stream.pointee.requestTrailers != nil : stream.pointee.responseTrailers != nil
    }

    // MARK: The chain's end

    // HOT: per frame.
    /// Body that has passed the filters, to the client.
    private func sendResponseQueue(_ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool) {
        while let part = data.first, !data.isEmpty {
            guard unsafe sendResponseData(stream, part, nil) else { return data.removeAll(memory) }
            data.consume(part.count, memory)
        }
        data.removeAll(memory)
        if endStream { unsafe finishResponse(stream) } else { unsafe watchDownstreamQueue(stream) }
    }
}

extension FilterGate {
    /// Keeps what came; `data` is empty then.
    mutating func hold(_ data: inout ByteQueue, endStream: Bool) {
        held.append(moving: &data)
        data = ByteQueue()
        if endStream { endWaits = true }
    }

    mutating func takeHeld() -> ByteQueue {
        let data = held
        held = ByteQueue()
        return data
    }
}
