// Addresses: numeric ones and UNIX paths where something listens, names too where something is resolved.

import EnvoyAPI
import Primitives

/// Where a host is: an address, or a name that DNS has to turn into some.
enum HostLocation: Equatable {
    case address(SocketAddress)
    case name(String, port: UInt16)
}

enum AddressCompiler {
    /// An address to listen on; nil after an error. `protocol` is asked of listeners only: what sends says by itself how, and
    /// a StatsD sink's address is written with UDP.
    static func listener(_ message: AddressMessage, _ place: Place, _ diagnostics: Diagnostics) -> SocketAddress? {
        if case .socketAddress(let socket) = message.address, socket.protocol == .udp {
            diagnostics.error(
                place.at("socket_address").at("protocol"), "UDP listeners are not supported by Martlet yet", expected: "TCP")
            return nil
        }
        return listening(message, place, diagnostics)
    }

    /// An address or a path, as it is written; nil after an error.
    static func listening(_ message: AddressMessage, _ place: Place, _ diagnostics: Diagnostics) -> SocketAddress? {
        switch message.address {
        case .socketAddress(let socket):
            return numeric(socket, place.at("socket_address"), diagnostics)
        case .pipe(let pipe):
            return unix(pipe, place.at("pipe"), diagnostics)
        case .envoyInternalAddress:
            diagnostics.unsupported(place, "envoy.config.core.v3.Address", ["envoy_internal_address": true])
            return nil
        case .none: return nil
        }
    }

    static func numeric(
        _ socket: SocketAddressMessage, _ place: Place, _ diagnostics: Diagnostics, hint: String = ""
    ) -> SocketAddress? {
        guard check(socket, place, diagnostics) else { return nil }
        let port = UInt16(truncatingIfNeeded: socket.portValue)
        if let address = SocketAddress(ip: socket.address, port: port) { return address }
        diagnostics.error(
            place.at("address"), "malformed IP address: \(socket.address)\(hint)", found: "'\(socket.address)'",
            expected: "an IPv4 or IPv6 address", suggestion: socket.address == "localhost" ? "write 127.0.0.1" : nil)
        return nil
    }

    /// A host of a cluster. `resolves`: names are allowed.
    static func host(
        _ message: AddressMessage, resolves: Bool, _ place: Place, _ diagnostics: Diagnostics
    ) -> HostLocation? {
        guard case .socketAddress(let socket) = message.address else {
            if resolves, message.address != nil {
                diagnostics.error(place, "cluster hosts must be socket addresses when DNS resolves them")
                return nil
            }
            return listening(message, place, diagnostics).map { .address($0) }
        }
        let at = place.at("socket_address")
        guard resolves else {
            let hint =
                ". Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'"
            return numeric(socket, at, diagnostics, hint: hint).map { .address($0) }
        }
        guard check(socket, at, diagnostics) else { return nil }
        let port = UInt16(truncatingIfNeeded: socket.portValue)
        if let address = SocketAddress(ip: socket.address, port: port) { return .address(address) }
        return .name(socket.address, port: port)
    }

    private static func check(_ socket: SocketAddressMessage, _ place: Place, _ diagnostics: Diagnostics) -> Bool {
        let before = diagnostics.errors.count
        if case .namedPort = socket.portSpecifier {
            diagnostics.error(place.at("named_port"), "named_port is not supported by Martlet yet", expected: "port_value")
        }
        diagnostics.unsupported(
            place, "envoy.config.core.v3.SocketAddress",
            [
                "resolver_name": !socket.resolverName.isEmpty, "ipv4_compat": socket.ipv4Compat,
                "network_namespace_filepath": !socket.networkNamespaceFilepath.isEmpty,
            ])
        return diagnostics.errors.count == before
    }

    private static func unix(
        _ pipe: Envoy_Config_Core_V3_Pipe, _ place: Place, _ diagnostics: Diagnostics
    ) -> SocketAddress? {
        let path = pipe.path
        if path.hasPrefix("@"), pipe.mode != 0 {
            diagnostics.error(place.at("mode"), "Cannot set mode for Abstract AF_UNIX sockets")
            return nil
        }
        if let address = SocketAddress(unixPath: path, mode: pipe.mode) { return address }
        diagnostics.error(
            place.at("path"), "Path \"\(path)\" exceeds maximum UNIX domain socket path size of 107.",
            expected: "at most 107 bytes")
        return nil
    }

    static func range(
        _ message: Envoy_Config_Core_V3_CidrRange, _ place: Place, _ diagnostics: Diagnostics
    ) -> (address: SocketAddress, bits: UInt8)? {
        guard let address = SocketAddress(ip: message.addressPrefix, port: 0) else {
            diagnostics.error(
                place.at("address_prefix"), "malformed IP address: \(message.addressPrefix)",
                found: "'\(message.addressPrefix)'", expected: "an IPv4 or IPv6 address")
            return nil
        }
        let most: UInt32 = address.family == .ipv4 ? 32 : 128
        let bits = message.hasPrefixLen ? message.prefixLen.value : 0
        return (address, UInt8(min(bits, most)))
    }
}
