// Heads for tests, from text and back.

import Primitives
import Wire

/// A head with a pool of its own, both gone when `body` returns.
func withHead<R>(_ body: (inout MessageHead) -> R) -> R? {
    let pool = BlockPool()
    defer { pool.destroy() }
    guard var head = MessageHead(pool: pool, bytes: 512) else { return nil }
    defer { head.destroy() }
    return body(&head)
}

extension MessageHead {
    mutating func add(_ name: String, _ value: String) {
        name.withBytes { name in value.withBytes { value in self.append(name: name, value: value) } }
    }

    mutating func setRequest(_ method: String, _ path: String, _ authority: String) {
        methodText = method.withBytes { self.store($0) }
        self.method = method.withBytes { Methods.method($0) }
        self.path = path.withBytes { self.store($0) }
        self.authority = authority.withBytes { self.store($0) }
    }
}

/// What `write` leaves in memory of exactly `capacity` bytes.
func written(_ capacity: Int, _ write: (UnsafeMutableRawPointer, Int) -> Int) -> String {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 1)
    defer { unsafe memory.deallocate() }
    let count = unsafe write(memory, capacity)
    return unsafe String(latin1: Bytes(UnsafeRawPointer(memory), count))
}

func encodedRequest(_ head: MessageHead, _ framing: H1Framing = .none, _ options: H1EncoderOptions = H1EncoderOptions()) -> String {
    unsafe written(H1Encoder.requestBound(head)) {
        unsafe H1Encoder.requestHead(head, framing, options, into: $0, capacity: $1)
    }
}

func encodedResponse(
    _ head: MessageHead, _ framing: H1Framing = .none, _ options: H1EncoderOptions = H1EncoderOptions(),
    version: HTTPVersion = .http11
) -> String {
    unsafe written(H1Encoder.responseBound(head)) {
        unsafe H1Encoder.responseHead(head, framing, options, version: version, into: $0, capacity: $1)
    }
}
