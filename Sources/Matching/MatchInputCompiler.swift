// Inputs of matchers, as far as they are a request's or its connection's.

import EnvoyAPI
import Pipeline
import Primitives

private typealias RequestHeader = Envoy_Type_Matcher_V3_HttpRequestHeaderMatchInput
private typealias QueryParameter = Envoy_Type_Matcher_V3_HttpRequestQueryParamMatchInput

package enum MatchInputCompiler {
    private static let network = "envoy.extensions.matching.common_inputs.network.v3."
    private static let tls = "envoy.extensions.matching.common_inputs.ssl.v3."
    private static let fieldless: [String: MatchInput.Source] = [
        network + "SourceIPInput": .sourceIP, network + "DirectSourceIPInput": .directSourceIP, network + "SourcePortInput": .sourcePort,
        network + "DestinationIPInput": .destinationIP, network + "DestinationPortInput": .destinationPort,
        network + "ServerNameInput": .serverName, tls + "UriSanInput": .peerURIs, tls + "DnsSanInput": .peerNames,
        tls + "SubjectInput": .peerSubject, "xds.type.matcher.v3.HttpAttributesCelMatchInput": .attributes,
    ]

    /// Nil: the message is none of these inputs.
    package static func compile(_ message: Google_Protobuf_Any, in arena: FrozenArena) -> MatchInput? {
        let name = message.messageName
        if let source = fieldless[name] { return MatchInput(source) }
        if name == RequestHeader.protoMessageName, let header = try? RequestHeader(serializedBytes: message.value) {
            return MatchInput(.requestHeader, name: arena.text(header.headerName.lowercased()))
        }
        if name == QueryParameter.protoMessageName, let parameter = try? QueryParameter(serializedBytes: message.value) {
            return MatchInput(.queryParameter, name: arena.text(parameter.queryParam))
        }
        return nil
    }
}
