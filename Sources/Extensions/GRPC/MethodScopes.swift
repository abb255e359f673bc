// Under which prefix the calls of a gRPC method are counted: `cluster.<name>.grpc.<service>.<method>.`, and what one of
// them counts there. Shared by the filters that know gRPC.

import Pipeline
import Primitives
import Stats
import Wire

struct GRPCMethodScopes {
    enum Kind { case grpc, grpcWeb }

    let scopes: DynamicScopes

    init(_ input: FilterInput) { scopes = input.dynamicScopes(GRPCMethodStat.schema) }

    // HOT: per message.
    /// The scope of a method of the cluster that the request goes to; without a method, of all the cluster's calls. Nil where
    /// there is no cluster, or no room for another name.
    func base(
        _ worker: Worker, _ stream: StreamPointer, _ kind: Kind, _ method: (service: Bytes, method: Bytes)?, replacesDots: Bool = false
    ) -> StatID? {
        guard let cluster = unsafe worker.routeClusterStatPrefix(stream) else { return nil }
        return unsafe withUnsafeTemporaryAllocation(byteCount: DynamicScopes.nameBytesMax, alignment: 1) { room in
            var text = unsafe StackText(room)
            text.put(cluster)
            text.put(Bytes(kind == .grpc ? "grpc." : "grpc-web." as StaticString))
            if let method {
                text.put(method.service, replacingDots: replacesDots)
                text.put(Bytes("." as StaticString))
                text.put(method.method)
                text.put(Bytes("." as StaticString))
            }
            guard let prefix = text.bytes else { return nil }
            return scopes.base(of: prefix)
        }
    }

    // HOT: per message.
    /// A call ended with this `grpc-status`.
    static func charge(_ worker: Worker, _ base: StatID, _ status: Bytes) {
        if let code = status.decimal, code <= UInt64(GRPCMethodStat.unauthenticated.rawValue),
            status.count == 1 || status[0] != UInt8(ascii: "0")
        {
            worker.cells.increment(base &+ UInt32(code))
        }
        let verdict: GRPCMethodStat = status.equals(Bytes("0" as StaticString)) ? .success : .failure
        worker.cells.increment(base &+ verdict.rawValue)
        worker.cells.increment(base &+ GRPCMethodStat.total.rawValue)
    }
}

/// Text put together in memory that lives for one call. Too much of it is none.
@safe
private struct StackText {
    private let room: UnsafeMutableRawBufferPointer
    private var count = 0
    private var fits = true

    init(_ room: UnsafeMutableRawBufferPointer) { unsafe self.room = unsafe room }

    var bytes: Bytes? {
        guard fits, let base = unsafe room.baseAddress else { return nil }
        return unsafe Bytes(UnsafeRawPointer(base), count)
    }

    mutating func put(_ text: Bytes, replacingDots: Bool = false) {
        guard fits, unsafe text.count <= room.count &- count else {
            fits = false
            return
        }
        for i in 0..<text.count {
            unsafe room[count &+ i] = replacingDots && text[i] == UInt8(ascii: ".") ? UInt8(ascii: "_") : text[i]
        }
        count &+= text.count
    }
}
