// `socket_options`, and the fields of listeners and of `BindConfig` that are socket options by another name.

import EnvoyAPI
import Glibc
import Primitives

struct SocketSettingCompiler {
    let arena: FrozenArena
    /// Of the socket.
    let family: SocketAddress.Family

    // Linux: not in Glibc's module.
    private static let ipv6Freebind: Int32 = 78
    private static let ipv6Transparent: Int32 = 75

    func compile(_ messages: [Envoy_Config_Core_V3_SocketOption]) -> [SocketSetting] {
        messages.compactMap { message in
            // A type that is named is the socket's, or it is not for it.
            if message.hasType, !message.type.hasStream, message.type.hasDatagram { return nil }
            switch message.ipVersion {
            case .ipv4 where family != .ipv4: return nil
            case .ipv6 where family != .ipv6: return nil
            default: break
            }
            let value: Bytes =
                switch message.value {
                case .bufValue(let bytes)?: arena.text(Array(bytes))
                default: number(Int32(truncatingIfNeeded: message.intValue))
                }
            let state: SocketSetting.State =
                switch message.state {
                case .stateBound: .bound
                case .stateListening: .listening
                default: .beforeBind
                }
            return SocketSetting(
                level: Int32(truncatingIfNeeded: message.level), name: Int32(truncatingIfNeeded: message.name), value: value, state: state)
        }
    }

    /// Nothing where a field is 0: that turns it off.
    func keepalive(_ message: Envoy_Config_Core_V3_TcpKeepalive) -> [SocketSetting] {
        guard family != .unix, message.isOn else { return [] }
        var settings = [setting(SOL_SOCKET, SO_KEEPALIVE, 1)]
        func add(_ name: Int32, _ isThere: Bool, _ value: UInt32) {
            if isThere { settings.append(setting(Int32(IPPROTO_TCP), name, Int32(truncatingIfNeeded: value))) }
        }
        add(TCP_KEEPCNT, message.hasKeepaliveProbes, message.keepaliveProbes.value)
        add(TCP_KEEPIDLE, message.hasKeepaliveTime, message.keepaliveTime.value)
        add(TCP_KEEPINTVL, message.hasKeepaliveInterval, message.keepaliveInterval.value)
        return settings
    }

    func freebind() -> [SocketSetting] {
        switch family {
        case .ipv4: [setting(Int32(IPPROTO_IP), IP_FREEBIND, 1)]
        case .ipv6: [setting(Int32(IPPROTO_IPV6), SocketSettingCompiler.ipv6Freebind, 1)]
        default: []
        }
    }

    func transparent() -> [SocketSetting] {
        switch family {
        case .ipv4: [setting(Int32(IPPROTO_IP), IP_TRANSPARENT, 1)]
        case .ipv6: [setting(Int32(IPPROTO_IPV6), SocketSettingCompiler.ipv6Transparent, 1)]
        default: []
        }
    }

    func fastOpen(_ length: UInt32) -> [SocketSetting] {
        family == .unix ? [] : [setting(Int32(IPPROTO_TCP), TCP_FASTOPEN, Int32(clamping: length), .listening)]
    }

    private func setting(_ level: Int32, _ name: Int32, _ value: Int32, _ state: SocketSetting.State = .beforeBind) -> SocketSetting {
        SocketSetting(level: level, name: name, value: number(value), state: state)
    }

    private func number(_ value: Int32) -> Bytes { arena.text(unsafe withUnsafeBytes(of: value) { unsafe Array($0) }) }
}

extension Envoy_Config_Core_V3_TcpKeepalive {
    /// As in Envoy a 0 turns it off.
    var isOn: Bool {
        !(hasKeepaliveProbes && keepaliveProbes.value == 0) && !(hasKeepaliveTime && keepaliveTime.value == 0)
            && !(hasKeepaliveInterval && keepaliveInterval.value == 0)
    }
}
