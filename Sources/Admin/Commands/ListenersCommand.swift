// `/listeners`: names and the addresses that they are bound to.

import Control
import Primitives

enum ListenersCommand {
    static let command = AdminCommand(
        "/listeners", "print listener info", [.init("format", "File format to use", .choice(["text", "json"]))]
    ) { context, request in
        let listeners = context.configurator.activeListeners
        guard request.query["format"] == "json" else {
            return AdminResponse(
                body: PartsBody(count: listeners.count) { i in
                    listeners[i].addresses.map { "\(listeners[i].name)::\($0)\n" }.joined()
                })
        }
        return AdminResponse(contentType: AdminResponse.json, body: ListenersJSON(listeners))
    }
}

private final class ListenersJSON: JSONListBody {
    private let listeners: [LiveListener]

    init(_ listeners: [LiveListener]) {
        self.listeners = listeners
        super.init("listener_statuses", count: listeners.count)
    }

    override func write(_ index: Int, _ json: inout JSONWriter) -> Bool {
        let listener = listeners[index]
        json.element { json in
            json.member("name", listener.name)
            guard let first = listener.addresses.first else { return }
            json.object("local_address") { $0.address(first) }
            guard listener.addresses.count > 1 else { return }
            json.array("additional_local_addresses") { json in
                for address in listener.addresses.dropFirst() { json.element { $0.address(address) } }
            }
        }
        return true
    }
}

extension JSONWriter {
    /// The members of an `envoy.config.core.v3.Address`.
    mutating func address(_ address: SocketAddress) {
        if address.family == .unix {
            object("pipe") { $0.member("path", "\(address)") }
            return
        }
        object("socket_address") { json in
            json.member("address", address.ipDescription)
            json.member("port_value", UInt32(address.port))
        }
    }
}
