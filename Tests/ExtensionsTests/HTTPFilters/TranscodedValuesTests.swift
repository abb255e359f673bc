// What the transcoder takes for a message and for JSON, value by value, as Envoy 1.40 judges the same bytes.

import EnvoyAPI
import Primitives
import TestSupport
import Testing
import Wire
@testable import Extensions

@Suite struct TranscodedValuesTests {
    private let schema: ProtoSchema
    private let all: Int

    init() throws {
        var decoder = Base64Decoder()
        let text = Array(ShopDescriptors.base64.utf8)
        let room = UnsafeMutablePointer<UInt8>.allocate(capacity: text.count)
        defer { unsafe room.deallocate() }
        let count = text.withBytes { unsafe decoder.decode($0, into: room) } ?? 0
        let set = try Google_Protobuf_FileDescriptorSet(serializedBytes: (0..<count).map { unsafe room[$0] })
        schema = ProtoSchema(set.file + TranscoderBuiltins.files)
        all = try #require(schema.message(named: "shop.v1.All"))
    }

    /// The message, or what is said of the JSON.
    private func encoded(_ json: String) -> (bytes: [UInt8], problem: String) {
        do {
            let value = try JSONParser.parse(Array(json.utf8)[...])
            return (try JSONToProto(schema: schema, ignoresEnumCase: false).message(value, all, ""), "")
        } catch let error as JSONParseError {
            return ([], error.message)
        } catch let error as TranscodeError {
            return ([], error.message)
        } catch {
            return ([], "\(error)")
        }
    }

    @Test(arguments: [
        // Who writes unset members of a oneof as null has set one of them.
        ("{\"right\":null,\"left\":\"x\"}", [0xb2, 1, 1, 0x78]), ("{\"left\":\"x\",\"right\":null}", [0xb2, 1, 1, 0x78]),
        ("{\"at\":{\"seconds\":5}}", [0xca, 1, 2, 8, 5]), ("{\"lasts\":{\"nanos\":7}}", [0xd2, 1, 2, 0x10, 7]),
        ("{\"wrapped\":{\"value\":\"5\"}}", [0xfa, 1, 2, 8, 5]), ("{\"list\":{}}", [0xf2, 1, 0]),
        ("{\"at\":\"1970-01-01T00:00:60Z\"}", [0xca, 1, 4, 8, 60, 0x10, 0]),
        ("{\"mask\":\"FooBar,a.b\"}", [0xda, 1, 14, 0x0a, 7] + Array("foo_bar".utf8) + [0x0a, 3] + Array("a.b".utf8)),
        ("{\"i32\":1e2}", [8, 100]), ("{\"color\":7}", [0x80, 1, 7]), ("{\"color\":\"1\"}", [0x80, 1, 1]),
    ] as [(String, [UInt8])])
    func whatIsTaken(json: String, message: [UInt8]) {
        let result = encoded(json)
        #expect(result.bytes == message && result.problem == "", "\(json) \(result.problem)")
    }

    @Test(arguments: [
        ("{\"right\":1,\"left\":\"x\"}", ": invalid value oneof field 'choice' is already set. Cannot set 'left' for type oneof"),
        ("{\"i32\":\"1e2\"}", "i32: invalid value \"1e2\" for type TYPE_INT32"), ("{\"u64\":\"1.0\"}", "u64: invalid value \"1.0\" for type TYPE_UINT64"),
        ("{\"items\":{\"1.0\":{}}}", "items[0].key: invalid value \"1.0\" for type TYPE_INT32"),
        ("{\"color\":\"7\"}", "color: invalid value \"7\" for type type.googleapis.com/shop.v1.Color"),
        ("{\"counts\":{\"a\":1,\"a\":2}}", "counts[0]: Repeated map key: 'a' is already set."),
        ("{\"structure\":{\"a\":1,\"a\":2}}", "structure.fields[0]: Repeated map key: 'a' is already set."),
        ("{\"list\":[{\"a\":1,\"b\":2,\"a\":2}]}", "list.struct_value.fields[1]: Repeated map key: 'a' is already set."),
        ("{\"structure\":{\"n\":1e400}}", "Number exceeds the range of double."), ("{\"dbl\":1e309}", "Number exceeds the range of double."),
        ("{\"at\":\"2020-01-02T03:04:05z\"}", "at: invalid value Field 'at', Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset. for type type.googleapis.com/google.protobuf.Timestamp"),
        ("{\"any\":{\"@type\":\"shop.v1.Item\"}}", "any: invalid value Invalid type URL, type URLs must be of the form 'type.googleapis.com/<typename>', got: shop.v1.Item for type Any"),
        ("{\"\":1}", ": Proto fields must have a name."), ("  ", "Unexpected end of string. Expected a value."),
    ])
    func whatIsRefused(json: String, problem: String) {
        #expect(encoded(json).problem == problem, "\(json)")
    }

    /// The JSON of an answer, or what is said of it.
    private func printed(_ message: [UInt8]) -> String {
        do throws(TranscodeError) {
            return String(decoding: try ProtoToJSON(schema: schema, options: ProtoPrintOptions()).text(message[...], all), as: UTF8.self)
        } catch {
            return error.message
        }
    }

    /// A field whose bytes are not of its kind is not passed over: what the server said would be lost.
    @Test(arguments: [
        ([0x0d, 1, 2, 3, 4], "field type 5 (number 1) does not support 32-bit fields"),
        ([0x09, 1, 2, 3, 4, 5, 6, 7, 8], "field type 5 (number 1) does not support type 64-bit fields"),
        ([0x48, 5], "field type 9 (number 9) does not support varint fields"), ([0x68, 5], "field type 1 (number 13) does not support varint fields"),
        ([0x79, 1, 2, 3, 4, 5, 6, 7, 8], "field type 12 (number 15) does not support type 64-bit fields"),
        ([0x85, 1, 0, 0, 0, 0], "field type 14 (number 16) does not support 32-bit fields"),
        ([0x88, 1, 5], "field type 11 (number 17) does not support varint fields"), ([0x60, 0], "field type 2 (number 12) does not support varint fields"),
        ([0x0b], "field number 1 is not a group"), ([0x0c], "attempted to close group 1 before SGROUP tag"),
        ([8, 5, 7, 0x10, 7], "unknown wire type: 7"), ([8, 5, 0xfe, 1], "unknown wire type: 6"),
        ([0x70, 5], "bad value for bool: \\x05"), ([0x70, 0xc3, 1], "bad value for bool: \\xc3"),
        ([0x15, 0, 0, 0, 0], "field type 3 (number 2) does not support 32-bit fields"), ([0x1d, 0, 0, 0, 0], "field type 13 (number 3) does not support 32-bit fields"),
        ([0x25, 0, 0, 0, 0], "field type 4 (number 4) does not support 32-bit fields"), ([0x2d, 0, 0, 0, 0], "field type 17 (number 5) does not support 32-bit fields"),
        ([0x35, 0, 0, 0, 0], "field type 18 (number 6) does not support 32-bit fields"), ([0x38, 0], "field type 7 (number 7) does not support varint fields"),
        ([0x40, 0], "field type 6 (number 8) does not support varint fields"), ([0x50, 0], "field type 15 (number 10) does not support varint fields"),
        ([0x58, 0], "field type 16 (number 11) does not support varint fields"), ([0x75, 0, 0, 0, 0], "field type 8 (number 14) does not support 32-bit fields"),
        ([8, 5, 0, 0x10, 7], "{\"i32\":5}"), ([8, 5, 0xf8, 7, 1], "{\"i32\":5}"), ([0x70, 1], "{\"yes\":true}"),
        ([0x92, 1, 2, 1, 2], "{\"numbers\":[1,2]}"), ([8], "unexpected EOF"),
    ] as [([UInt8], String)])
    func whatAnAnswerMayBe(message: [UInt8], text: String) {
        #expect(printed(message) == text)
    }
}
