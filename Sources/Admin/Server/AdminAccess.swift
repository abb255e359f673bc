// What Envoy's `admin` has no field for: an address that serves metrics alone, and a token that changing commands ask for.
// Options of the command line, because the bootstrap stays one that Envoy reads (docs/admin.md).

import Primitives

package struct AdminAccess {
    package var metricsAddress: SocketAddress?
    package var token: [UInt8]?

    package init(metricsAddress: SocketAddress? = nil, token: [UInt8]? = nil) {
        self.metricsAddress = metricsAddress
        self.token = token
    }
}
