// What stands around a batch's items: a list's brackets, the messages that protobuf puts around them, fluentd's tag.

import Primitives
import Transport

extension Worker {
    /// The batch as its peer reads it. `introduces`: it is the first one of a stream.
    func write(_ buffer: ExportBuffer, introduces: Bool = false, _ body: inout ByteQueue) -> Bool {
        let config = unsafe buffer.config
        exports.envelope?.reset()
        switch unsafe config.pointee.envelope {
        case .none: break
        case .list: exports.envelope?.put(UInt8(ascii: "["))
        case .message:
            let introduction = unsafe introduces ? config.pointee.introduction : .empty
            unsafe exports.envelope?.put(config.pointee, around: buffer.items.count, introduction: introduction)
        case .forward:
            exports.envelope?.put(arrayOf: 2)
            unsafe exports.envelope?.put(string: config.pointee.head)
            exports.envelope?.put(arrayOf: buffer.count)
        case .array: exports.envelope?.put(arrayOf: buffer.count)
        }
        guard let envelope = exports.envelope, !envelope.isTruncated else { return false }
        guard body.append(copying: envelope.bytes, memory), body.append(copying: buffer.items.bytes, memory) else { return false }
        return unsafe config.pointee.envelope != .list || body.append(copying: Bytes("]" as StaticString), memory)
    }
}

extension TextBuffer {
    /// Everything before `count` bytes of items.
    mutating func put(_ config: ExportConfig, around count: Int, introduction: Bytes) {
        let layers = config.layers
        if config.isFramed {
            // https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: not compressed, length.
            put(UInt8(0))
            let length = UInt32(truncatingIfNeeded: introduction.count &+ Self.size(layers, from: 0, config.head.count &+ count))
            for shift: UInt32 in [24, 16, 8, 0] { put(UInt8(truncatingIfNeeded: length >> shift)) }
        }
        put(introduction)
        for i in 0..<layers.count {
            let inner = Self.size(layers, from: i &+ 1, config.head.count &+ count)
            put(lengthOf: layers[i].field, layers[i].prefix.count &+ inner)
            put(layers[i].prefix)
        }
        put(config.head)
    }

    /// Bytes of the layers from one on, around `count` bytes.
    private static func size(_ layers: FrozenArray<ExportLayer>, from first: Int, _ count: Int) -> Int {
        var size = count
        var i = layers.count
        while i > first {
            i &-= 1
            size = ProtoSize.field(layers[i].prefix.count &+ size)
        }
        return size
    }
}
