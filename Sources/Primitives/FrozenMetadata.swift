// Metadata of a route, a cluster, a host or a listener as formats show them (`%METADATA(ROUTE:…)%`): every value that can be
// named, written out once by main.

@safe
public struct FrozenMetadata: BitwiseCopyable {
    public struct Entry: BitwiseCopyable {
        /// The namespace and the keys below it, each with a NUL behind it.
        public var path: Bytes
        /// A text as it is, anything else as JSON.
        public var value: Bytes
        public var isText: Bool
        /// As `custom_tags` say it.
        public var tag: Bytes
        public init(path: Bytes, value: Bytes, isText: Bool, tag: Bytes) {
            self.path = path
            self.value = value
            self.isText = isText
            self.tag = tag
        }
    }
    private let entries: FrozenArray<Entry>
    /// The same as an object of namespaces, for expressions.
    public let tree: UnsafePointer<FrozenValue>

    public init(_ entries: FrozenArray<Entry>, tree: UnsafePointer<FrozenValue>) {
        self.entries = entries
        unsafe self.tree = unsafe tree
    }

    public func entry(_ path: Bytes) -> Entry? {
        for i in 0..<entries.count where entries[i].path.equals(path) { return entries[i] }
        return nil
    }
}
