// A socket option as configuration says it: `socket_options`, and fields that mean one (`freebind`, `tcp_keepalive`).

import Glibc

package struct SocketSetting: BitwiseCopyable {
    /// When it is set: before the socket is bound, when it is, or when it listens.
    package enum State: UInt8, BitwiseCopyable { case beforeBind, bound, listening }
    package var level: Int32
    package var name: Int32
    package var value: Bytes
    package var state: State

    package init(level: Int32, name: Int32, value: Bytes, state: State = .beforeBind) {
        self.level = level
        self.name = name
        self.value = value
        self.state = state
    }

    /// False: `errno` says why.
    package func set(_ descriptor: Int32) -> Bool {
        unsafe setsockopt(descriptor, level, name, value.base, socklen_t(value.count)) == 0
    }
}

extension FrozenArray<SocketSetting> {
    /// Sets those of a state in their order; the first that the system refuses.
    package func set(_ descriptor: Int32, _ state: SocketSetting.State) -> SocketSetting? {
        for i in 0..<count where self[i].state == state && !self[i].set(descriptor) { return self[i] }
        return nil
    }
}
