import EnvoyAPI
import SwiftProtobuf
import Testing

/// Generated messages are compared by their wire format (`Sources/EnvoyAPI/trim.py`).
@Suite struct SameMessageTests {
    private func metadata(_ keys: [String], _ value: Double = 1) -> Envoy_Config_Core_V3_Metadata {
        .with { message in
            for key in keys { message.filterMetadata[key] = .with { $0.fields["a"] = .with { $0.numberValue = value } } }
        }
    }

    @Test func fieldsDecide() {
        #expect(metadata(["a"]) == metadata(["a"]))
        #expect(metadata(["a"]) != metadata(["b"]))
        #expect(metadata(["a"]) != metadata(["a"], 2))
        #expect(metadata(["a"]) != Envoy_Config_Core_V3_Metadata())
    }

    @Test func theOrderOfAMapDoesNot() {
        let keys = (0..<50).map { "key\($0)" }
        #expect(metadata(keys) == metadata(keys.reversed()))
    }

    @Test func unknownFieldsDo() throws {
        // Field 1000, a varint.
        let unknown = try Envoy_Config_Core_V3_Metadata(serializedBytes: [0xc0, 0x3e, 0x01])
        #expect(unknown != Envoy_Config_Core_V3_Metadata())
        #expect(try unknown == Envoy_Config_Core_V3_Metadata(serializedBytes: [0xc0, 0x3e, 0x01]))
    }
}
