// Nanoseconds per head, decoded and encoded: `Tests/FuzzTargets/build Tests/FuzzTargets/H1Bench /tmp/bench -O`.

import Glibc
import Primitives
import Wire

@main
enum H1Bench {
    static let browser = """
        GET /wp-content/uploads/2010/03/hello-kitty-darth-vader-pink.jpg HTTP/1.1\r
        Host: www.kittyhell.com\r
        User-Agent: Mozilla/5.0 (Macintosh; U; Intel Mac OS X 10.6; ja-JP-mac; rv:1.9.2.3) Gecko/20100401 Firefox/3.6.3\r
        Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r
        Accept-Language: ja,en-us;q=0.7,en;q=0.3\r
        Accept-Encoding: gzip,deflate\r
        Accept-Charset: Shift_JIS,utf-8;q=0.7,*;q=0.7\r
        Keep-Alive: 115\r
        Connection: keep-alive\r
        \r

        """
    static let tiny = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    static let wide =
        "GET /a/path HTTP/1.1\r\nHost: example.com\r\n"
        + (0..<15).map { "X-Header-Number-\($0): some value of a field \($0 * 7919)\r\n" }.joined() + "\r\n"

    static func now() -> UInt64 {
        var t = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t)
        return UInt64(t.tv_sec) * 1_000_000_000 + UInt64(t.tv_nsec)
    }

    static func best(_ name: String, _ rounds: Int = 15, _ iterations: Int = 100_000, _ body: (Int) -> Void) {
        var least = UInt64.max
        for _ in 0..<rounds {
            let start = now()
            body(iterations)
            least = min(least, now() - start)
        }
        print(name, Double(least) / Double(iterations), "ns")
    }

    static func main() {
        let pool = BlockPool()
        guard var head = MessageHead(pool: pool) else { return }
        for (name, text) in [("browser", browser), ("tiny", tiny), ("wide", wide)] {
            var copy = text
            copy.withUTF8 { buffer in
                guard let base = buffer.baseAddress else { return }
                let input = unsafe Bytes(base, buffer.count)
                var failures = 0
                best("decode \(name) (\(input.count) B)") { n in
                    var decoder = H1RequestDecoder(options: H1Options())
                    for _ in 0..<n {
                        head.reset()
                        decoder.reset()
                        var cursor = 0
                        guard case .head = decoder.next(input, &cursor, head: &head) else { failures += 1; continue }
                        guard case .complete = decoder.next(input, &cursor, head: &head) else { failures += 1; continue }
                    }
                }
                let out = UnsafeMutableRawPointer.allocate(byteCount: 65536, alignment: 16)
                var bytes = 0
                best("encode \(name)") { n in
                    for _ in 0..<n {
                        let bound = H1Encoder.requestBound(head)
                        bytes &+= unsafe H1Encoder.requestHead(head, .none, H1EncoderOptions(), into: out, capacity: bound)
                    }
                }
                best("strip+reset \(name)") { n in
                    for _ in 0..<n { if HopByHop.strip(&head) != .stripped { failures += 1 } }
                }
                print(failures, bytes & 1)
            }
        }
    }
}
