// What a route asks beside the path: all of it must hold.

import Primitives
import Wire

extension RouteTable {
    // HOT: per message.
    func conditionsHold(_ index: UInt32, _ head: MessageHead, _ context: MatchContext) -> Bool {
        let conditions = unsafe storage.pointee.conditions[index]
        if conditions.hasFraction, !conditions.fraction.holds(context.random) { return false }
        if !flagsHold(conditions.flags, head, context) { return false }

        var i = conditions.headers.start
        while i != conditions.headers.end {
            if unsafe !holds(storage.pointee.headers[i], head) { return false }
            i &+= 1
        }
        if conditions.queryParameters.count != 0 {
            let query = RequestPath.query(head.text(head.path))
            i = conditions.queryParameters.start
            while i != conditions.queryParameters.end {
                if unsafe !holds(storage.pointee.queryParameters[i], query: query) { return false }
                i &+= 1
            }
        }
        i = conditions.cookies.start
        while i != conditions.cookies.end {
            if unsafe !holds(storage.pointee.cookies[i], head) { return false }
            i &+= 1
        }
        i = conditions.external.start
        while i != conditions.external.end {
            guard let ask = unsafe context.external, unsafe ask(context.opaque, storage.pointee.external[i]) else {
                return false
            }
            i &+= 1
        }
        return true
    }

    @inline(__always)
    private func flagsHold(
        _ flags: ConditionFlags, _ head: MessageHead, _ context: MatchContext
    ) -> Bool {
        if flags.rawValue == 0 { return true }
        if flags.contains(.grpcOnly), !RouteTable.isGRPC(head) { return false }
        if flags.contains(.asksPresented),
            flags.contains(.presented) != context.flags.contains(.certificatePresented)
        {
            return false
        }
        if flags.contains(.asksValidated),
            flags.contains(.validated) != context.flags.contains(.certificateValidated)
        {
            return false
        }
        return true
    }

    /// `application/grpc` or `application/grpc+…`; `application/grpc-web` is another protocol.
    static func isGRPC(_ head: MessageHead) -> Bool {
        guard head.path.count != 0, let type = head.value(of: .contentType) else { return false }
        let wanted = Bytes("application/grpc")
        return type.hasPrefix(wanted) && (type.count == wanted.count || type[wanted.count] == UInt8(ascii: "+"))
    }
}
