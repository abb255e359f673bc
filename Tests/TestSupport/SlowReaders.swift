import Glibc
import Synchronization

/// Clients that ask for a large page and read it a little at a time, all in one thread. What they read is compared.
package final class SlowReaders: Sendable {
    package let count: Int
    private let page: [UInt8]
    private let stopped = Flag()
    private let bytes = Atomic<Int>(0)
    private let wrong = Atomic<Int>(0)
    private let thread = Locked<BackgroundThread?>(nil)

    private struct Reader {
        let socket: Descriptor
        var head: [UInt8] = []
        /// Bytes of the page that have come; nil: the head is not whole yet.
        var offset: Int?
    }

    /// Each reads `bytes` every `periodMs`.
    package init(_ count: Int, port: UInt16, path: String, page: [UInt8], bytes: Int, periodMs: Int) throws {
        self.count = count
        self.page = page
        var readers: [Reader] = []
        for _ in 0..<count {
            let socket = try Sockets.connect(port: port)
            Sockets.receiveBuffer(4_096, of: socket)
            let request = "GET \(path) HTTP/1.1\r\nhost: h\r\n\r\n".wire
            guard Sockets.send(request, from: 0, on: socket) == request.count else { throw SocketError.timedOut("send") }
            readers.append(Reader(socket: socket))
        }
        let made = readers
        thread.withLock {
            $0 = BackgroundThread { [self] in
                BackgroundThread.isPolite()
                read(made, bytes, periodMs)
            }
        }
    }

    /// Bytes of pages that have come.
    package var bytesRead: Int { bytes.load(ordering: .relaxed) }
    /// Readers that got something else than the page, or whose connection ended.
    package var failures: Int { wrong.load(ordering: .relaxed) }

    /// Closes all connections.
    package func stop() {
        stopped.raise()
        thread.withLock { $0 }?.join()
    }

    private func read(_ readers: [Reader], _ bytes: Int, _ periodMs: Int) {
        var readers = readers
        let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes)
        defer { unsafe buffer.deallocate() }
        while !stopped.isRaised {
            let next = Deadline(afterMs: periodMs)
            for i in stride(from: readers.count - 1, through: 0, by: -1) {
                let got = unsafe recv(readers[i].socket.raw, buffer, bytes, 0)
                if got < 0, errno == EAGAIN { continue }
                if unsafe got <= 0 || !took(&readers[i], UnsafeBufferPointer(start: buffer, count: got)) {
                    wrong.add(1, ordering: .relaxed)
                    readers.remove(at: i)
                }
            }
            sleep(ms: Int(next.remainingMs))
        }
    }

    /// False: not what the page says.
    private func took(_ reader: inout Reader, _ got: UnsafeBufferPointer<UInt8>) -> Bool {
        var rest = unsafe got[...]
        if reader.offset == nil {
            unsafe reader.head += Array(got)
            guard let end = reader.head.index(of: "\r\n\r\n".wire) else { return reader.head.count < 4_096 }
            guard reader.head.starts(with: "HTTP/1.1 200 ".wire) else { return false }
            reader.offset = 0
            unsafe rest = unsafe got.suffix(reader.head.count - end - 4)
            reader.head = []
        }
        guard let offset = reader.offset, unsafe offset + rest.count <= page.count else { return false }
        let equal = unsafe page.withUnsafeBytes { page in
            unsafe rest.isEmpty || memcmp(page.baseAddress! + offset, rest.base.baseAddress! + rest.startIndex, rest.count) == 0
        }
        reader.offset = unsafe offset + rest.count
        unsafe bytes.add(rest.count, ordering: .relaxed)
        return equal
    }
}
