// The head of a message: start line and header fields, in the form that every codec produces and consumes.
//
// One block from the worker's `BlockPool` holds everything: the text grows from the front, the fields from the back.
// A field is offsets into that text, so the block may move when it grows, and a field is replaced by appending the new
// value. Names are kept in lower case. Order is the order of arrival, then of insertion (Envoy keeps it, and peers can
// see it). Nothing here is copied through to the wire: an encoder writes a head anew from these fields.
//
// Owner: one stream, on one worker. Trivial on purpose: `destroy()` gives the block back.

import Primitives

/// A run of the head's text.
public struct Span32 {
    public var offset: UInt32 = 0
    public var count: UInt32 = 0
    @inlinable @inline(__always) public init() {}
    @inline(__always) public init(offset: UInt32, count: UInt32) {
        self.offset = offset
        self.count = count
    }
    @inlinable public var isEmpty: Bool { count == 0 }
}

public struct HeaderField {
    public var name: Span32
    public var value: Span32
    public var id: HeaderID
    /// A removed field stays in its place until the head is encoded, marked so.
    public var removed: Bool

    @inlinable public init(name: Span32, value: Span32, id: HeaderID, removed: Bool) {
        self.name = name
        self.value = value
        self.id = id
        self.removed = removed
    }
}

public enum Method: UInt8 {
    case get, head, post, put, delete, connect, options, trace, patch, other
}

public enum HTTPVersion: UInt8, Comparable {
    case http10, http11, http2, http3
    @inlinable public static func < (a: HTTPVersion, b: HTTPVersion) -> Bool { a.rawValue < b.rawValue }
}

@safe
public struct MessageHead {
    /// Text and fields together. `docs/limits.md` §message head.
    public static let bytesMax = BlockPool.capacityMax

    @usableFromInline let pool: BlockPool
    @usableFromInline var block: Block
    @usableFromInline var textCount: UInt32 = 0
    @usableFromInline var fieldCount: UInt32 = 0
    /// False once a growth was refused (limit or memory): the caller answers 431 or 502 and drops the head.
    public var fits = true

    public var version = HTTPVersion.http11
    // Request.
    public var method = Method.get
    /// The method as received; always set for a request.
    public var methodText = Span32()
    /// Path and query, as received or as rewritten.
    public var path = Span32()
    /// The authority: `host`, or the authority of an absolute-form target. Empty when there is none.
    public var authority = Span32()
    public var scheme = Span32()
    // Response.
    public var status: UInt16 = 0

    /// Nil when there is no memory.
    @inlinable public init?(pool: BlockPool, bytes: Int = 4096) {
        guard let block = pool.allocate(bytes) else { return nil }
        self.pool = pool
        self.block = block
    }

    @inlinable public func destroy() { pool.free(block) }

    /// As new, the block kept.
    @inlinable public mutating func reset() {
        textCount = 0
        fieldCount = 0
        fits = true
        version = .http11
        method = .get
        methodText = Span32()
        path = Span32()
        authority = Span32()
        scheme = Span32()
        status = 0
    }

    /// The same in a block of its own: spans of this head are good in the copy. Nil when there is no memory.
    public func copied() -> MessageHead? {
        guard let other = pool.allocate(block.capacity) else { return nil }
        var copy = self
        let fieldBytes = Int(fieldCount) &* MemoryLayout<HeaderField>.stride
        unsafe other.base.copyMemory(from: block.base, byteCount: Int(textCount))
        unsafe (other.base + (other.capacity &- fieldBytes)).copyMemory(
            from: block.base + (block.capacity &- fieldBytes), byteCount: fieldBytes)
        copy.block = other
        return copy
    }

    // MARK: Reading

    @inlinable public var count: Int { Int(fieldCount) }
    /// The scheme of a request; `http` where none was told.
    @inlinable public var schemeText: Bytes { scheme.isEmpty ? Bytes("http" as StaticString) : text(scheme) }
    /// Bytes of text in use: names, values and what replaced them.
    @inlinable public var textBytes: Int { Int(textCount) }

    // HOT: per header field.
    @inline(__always)
    @inlinable public func text(_ span: Span32) -> Bytes {
        unsafe Bytes(UnsafeRawPointer(block.base) + Int(span.offset), Int(span.count))
    }

    @inline(__always)
    @inlinable func slot(_ index: Int) -> UnsafeMutablePointer<HeaderField> {
        // Fields lie at the end of the block, the first one last.
        unsafe (block.base + (block.capacity &- (index &+ 1) &* MemoryLayout<HeaderField>.stride))
            .assumingMemoryBound(to: HeaderField.self)
    }

    /// The field at `index`, removed ones included: walk `0 ..< count` and skip `removed`.
    @inline(__always)
    @inlinable public func field(_ index: Int) -> HeaderField {
        assert(index >= 0 && index < count)
        return unsafe slot(index).pointee
    }

    @inline(__always)
    @inlinable public func name(_ index: Int) -> Bytes { text(field(index).name) }
    @inline(__always)
    @inlinable public func value(_ index: Int) -> Bytes { text(field(index).value) }

    /// The first field with this id at or after `start`.
    @inlinable public func index(of id: HeaderID, from start: Int = 0) -> Int? {
        var i = start
        let end = count
        while i < end {
            let field = unsafe slot(i)
            if unsafe field.pointee.id == id && !field.pointee.removed { return i }
            i &+= 1
        }
        return nil
    }

    /// The first field with this lower-case name at or after `start`.
    @inlinable public func index(named name: Bytes, from start: Int = 0) -> Int? {
        let id = HeaderNames.id(of: name)
        if id != .other { return index(of: id, from: start) }
        var i = start
        let end = count
        while i < end {
            let field = unsafe slot(i).pointee
            if field.id == .other, !field.removed, text(field.name).equals(name) { return i }
            i &+= 1
        }
        return nil
    }

    @inlinable public func value(of id: HeaderID) -> Bytes? { index(of: id).map { value($0) } }
    public func value(named name: Bytes) -> Bytes? { index(named: name).map { value($0) } }
    @inlinable public func has(_ id: HeaderID) -> Bool { index(of: id) != nil }

    // HOT: per message.
    /// Whether some field has one of the ids from `first` to `last`, in the order of `HeaderID`.
    @inlinable public func hasAny(from first: HeaderID, through last: HeaderID) -> Bool {
        var i = 0
        let end = count
        while i < end {
            let field = unsafe slot(i)
            if unsafe field.pointee.id.rawValue &- first.rawValue <= last.rawValue &- first.rawValue, unsafe !field.pointee.removed {
                return true
            }
            i &+= 1
        }
        return false
    }

    // MARK: Writing

    /// A copy of `bytes` in the head's text. `bytes` may lie in this head. Empty and `fits == false` when refused.
    @inlinable public mutating func store(_ bytes: Bytes) -> Span32 {
        if bytes.isEmpty { return Span32() }
        // The source may be part of this block, which reserve may move.
        let inside = unsafe UnsafeRawPointer(bytes.base) - UnsafeRawPointer(block.base)
        let isInside = inside >= 0 && inside < block.capacity
        guard reserve(bytes.count) else { return Span32() }
        let source = unsafe isInside ? UnsafeRawPointer(block.base) + inside : UnsafeRawPointer(bytes.base)
        let span = Span32(offset: textCount, count: UInt32(truncatingIfNeeded: bytes.count))
        unsafe (block.base + Int(textCount)).copyMemory(from: source, byteCount: bytes.count)
        textCount &+= span.count
        return span
    }

    /// A copy with ASCII letters in lower case, for names.
    @inlinable public mutating func storeLowercased(_ bytes: Bytes) -> Span32 {
        let span = store(bytes)
        let start = unsafe (block.base + Int(span.offset)).assumingMemoryBound(to: UInt8.self)
        var i = 0
        while i < Int(span.count) {
            unsafe start[i] = Bytes.lower(start[i])
            i &+= 1
        }
        return span
    }

    /// `count` writable bytes at the end of the text, for a decoder that copies a whole head once and then names its
    /// parts by offset. Nil when refused.
    @inlinable public mutating func extend(_ count: Int) -> (span: Span32, base: UnsafeMutablePointer<UInt8>)? {
        guard reserve(count) else { return nil }
        let span = Span32(offset: textCount, count: UInt32(truncatingIfNeeded: count))
        textCount &+= span.count
        return unsafe (span, (block.base + Int(span.offset)).assumingMemoryBound(to: UInt8.self))
    }

    // MARK: For decoders, which parse in the text that they extended

    /// The text's first byte; moves when the head grows.
    @inline(__always)
    public var textBase: UnsafeMutablePointer<UInt8> {
        unsafe block.base.assumingMemoryBound(to: UInt8.self)
    }

    /// The block's end: bytes up to here may be read, and written back unchanged, by a scan that runs past the text.
    @inline(__always)
    public var textLimit: UnsafePointer<UInt8> {
        unsafe UnsafePointer(textBase) + block.capacity
    }

    /// Gives back the text from `count` on: what a decoder copied beyond its head.
    @inline(__always)
    public mutating func truncateText(to count: Int) {
        assert(count >= 0 && count <= textBytes)
        textCount = UInt32(truncatingIfNeeded: count)
    }

    // HOT: per header field.
    /// Adds a field whose parts already lie in the text. The name is in lower case.
    @inlinable public mutating func append(name: Span32, value: Span32, id: HeaderID) {
        guard reserve(MemoryLayout<HeaderField>.stride) else { return }
        unsafe slot(count).initialize(to: HeaderField(name: name, value: value, id: id, removed: false))
        fieldCount &+= 1
    }

    /// Adds a field at the end. `name` may have any case.
    @inlinable public mutating func append(name: Bytes, value: Bytes) {
        // `value` may lie in this head's text, which storing the name may move.
        let valueSpan = store(value)
        let nameSpan = storeLowercased(name)
        guard fits else { return }
        append(name: nameSpan, value: valueSpan, id: HeaderNames.id(of: text(nameSpan)))
    }

    @inlinable public mutating func append(_ id: HeaderID, _ value: Bytes) {
        let valueSpan = store(value)
        let nameSpan = store(Bytes(id.name))
        guard fits else { return }
        append(name: nameSpan, value: valueSpan, id: id)
    }

    /// The first field with this id gets the value, the others go; a new field when there was none. Its place is kept.
    @inlinable public mutating func set(_ id: HeaderID, _ value: Bytes) {
        guard let first = index(of: id) else { return append(id, value) }
        let span = store(value)
        guard fits else { return }
        unsafe slot(first).pointee.value = span
        remove(id, after: first)
    }

    @inlinable public mutating func replaceValue(at index: Int, _ value: Bytes) {
        let span = store(value)
        guard fits else { return }
        unsafe slot(index).pointee.value = span
    }

    /// The field gets a value that lies in the text already.
    @inlinable public mutating func setValue(at index: Int, _ span: Span32) { unsafe slot(index).pointee.value = span }

    @inlinable public mutating func remove(at index: Int) { unsafe slot(index).pointee.removed = true }

    @inlinable public mutating func remove(_ id: HeaderID) { remove(id, after: -1) }

    @inlinable public mutating func removeAll(named name: Bytes) { removeAll(named: name, from: 0) }

    @inlinable mutating func remove(_ id: HeaderID, after index: Int) {
        var i = index &+ 1
        while let hit = self.index(of: id, from: i) {
            remove(at: hit)
            i = hit &+ 1
        }
    }

    @inlinable mutating func removeAll(named name: Bytes, from start: Int) {
        var i = start
        while let hit = index(named: name, from: i) {
            remove(at: hit)
            i = hit &+ 1
        }
    }

    /// Room for `bytes` more between text and fields; the block doubles when there is none.
    @inlinable mutating func reserve(_ bytes: Int) -> Bool {
        let fieldBytes = Int(fieldCount) &* MemoryLayout<HeaderField>.stride
        let used = Int(textCount) &+ fieldBytes
        if bytes <= block.capacity &- used { return fits }
        guard bytes < MessageHead.bytesMax, let larger = pool.allocate(max(block.capacity &* 2, used &+ bytes)) else {
            fits = false
            return false
        }
        unsafe larger.base.copyMemory(from: block.base, byteCount: Int(textCount))
        unsafe (larger.base + (larger.capacity &- fieldBytes)).copyMemory(
            from: block.base + (block.capacity &- fieldBytes), byteCount: fieldBytes)
        pool.free(block)
        block = larger
        return fits
    }
}
