// A value of configuration that is read by its parts: metadata and the node, as expressions see them (`CELEvaluator`). Made by
// main in a part's memory, trivial, read by every worker.

@safe
public struct FrozenValue: BitwiseCopyable {
    public enum Kind: UInt8, BitwiseCopyable { case null, bool, number, text, list, object }

    public var kind = Kind.null
    /// A number, or 1 and 0 of a boolean.
    public var number = 0.0
    public var text = Bytes.empty
    /// Its name in the object that it stands in.
    public var key = Bytes.empty
    /// Members in bytewise order of their names, or elements.
    public var members = FrozenArray<FrozenValue>()

    public init() {}

    public init(text: Bytes) {
        kind = .text
        self.text = text
    }

    public init(object members: FrozenArray<FrozenValue>) {
        kind = .object
        self.members = members
    }

    /// Nil: no such member.
    public func member(_ name: Bytes) -> UnsafePointer<FrozenValue>? {
        for i in 0..<members.count where unsafe members.pointer(i).pointee.key.equals(name) { return unsafe members.pointer(i) }
        return nil
    }
}
