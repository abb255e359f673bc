// Immutable plain memory that several threads read: the stuff that plans are made of.
//
// Built by the main thread in one arena per plan part, read by workers through raw pointers, freed as a whole when no
// worker uses the part any more. Only trivial values go in: reading them never touches a reference count.

import Glibc

@safe
public struct FrozenArray<Element: BitwiseCopyable> {
    public let base: UnsafePointer<Element>?
    public let count: Int

    @inlinable public init() {
        unsafe base = nil
        count = 0
    }

    @inlinable package init(base: UnsafePointer<Element>, count: Int) {
        unsafe self.base = unsafe base
        self.count = count
    }

    @inlinable public var isEmpty: Bool { count == 0 }

    @inline(__always)
    @inlinable public subscript(_ index: Int) -> Element {
        precondition(index >= 0 && index < count, "FrozenArray index out of bounds")
        return unsafe base.unsafelyUnwrapped[index]
    }

    /// The element in place, for large ones.
    @inline(__always)
    @inlinable public func pointer(_ index: Int) -> UnsafePointer<Element> {
        precondition(index >= 0 && index < count, "FrozenArray index out of bounds")
        return unsafe base.unsafelyUnwrapped + index
    }
}
extension FrozenArray: BitwiseCopyable {}
extension Bytes: BitwiseCopyable {}
extension SocketAddress: BitwiseCopyable {}

/// The arena of one plan part. Main thread only; readers see what it handed out.
@safe
public final class FrozenArena {
    @usableFromInline static let chunkBytesMin = 512
    @usableFromInline static let chunkBytesMax = 4096
    @usableFromInline var chunks: [UnsafeMutableRawPointer] = unsafe []
    @usableFromInline var free: UnsafeMutableRawPointer?
    @usableFromInline var left = 0
    /// Bytes taken from the system.
    public var bytes = 0
    /// Counted up by who stores what the memory's owner has to know of: a format that names bytes of the wire
    /// (`FormatCompiler`).
    public var marks = 0
    /// The same of formats that tell how long routes are looked for.
    public var routeMarks = 0
    /// The configuration's node as expressions see it, where it is known: made when the first of them names it.
    public var node: ((FrozenArena) -> FrozenValue)?
    private var atEnd: [() -> Void] = []

    @inlinable public init() {}

    /// Calls `body` when the memory goes: what it points to may be of another kind.
    public func onDestroy(_ body: @escaping () -> Void) { atEnd.append(body) }

    deinit {
        for body in atEnd { body() }
        for unsafe chunk in unsafe chunks { unsafe Glibc.free(chunk) }
    }

    @inlinable func allocate(_ count: Int, alignment: Int) -> UnsafeMutableRawPointer {
        let aligned = unsafe free.map { (UInt(bitPattern: $0) + UInt(alignment) - 1) & ~(UInt(alignment) - 1) }
        if let aligned, let base = unsafe free, Int(aligned - UInt(bitPattern: base)) + count <= left,
            let start = unsafe UnsafeMutableRawPointer(bitPattern: aligned)
        {
            left -= Int(aligned - UInt(bitPattern: base)) + count
            unsafe free = unsafe start + count
            return unsafe start
        }
        // Most parts are small and there are thousands: a chunk is at most half of what the part has taken so far.
        let size = max(count + alignment, min(max(bytes / 2, FrozenArena.chunkBytesMin), FrozenArena.chunkBytesMax))
        guard let chunk = unsafe malloc(size) else { fatalError("no memory for configuration") }
        unsafe chunks.append(chunk)
        bytes += size
        unsafe free = unsafe chunk
        left = size
        return unsafe allocate(count, alignment: alignment)
    }

    @inlinable public func store<T: BitwiseCopyable>(_ value: T) -> UnsafePointer<T> {
        let place = unsafe allocate(MemoryLayout<T>.stride, alignment: MemoryLayout<T>.alignment)
            .bindMemory(to: T.self, capacity: 1)
        unsafe place.initialize(to: value)
        return unsafe UnsafePointer(place)
    }

    @inlinable public func array<T: BitwiseCopyable>(_ values: [T]) -> FrozenArray<T> {
        guard !values.isEmpty else { return FrozenArray() }
        let place = unsafe allocate(MemoryLayout<T>.stride * values.count, alignment: MemoryLayout<T>.alignment)
            .bindMemory(to: T.self, capacity: values.count)
        for (i, value) in values.enumerated() { unsafe (place + i).initialize(to: value) }
        return unsafe FrozenArray(base: UnsafePointer(place), count: values.count)
    }

    @inlinable public func text(_ string: String) -> Bytes {
        guard !string.isEmpty else { return .empty }
        return string.withBytes { source in
            let place = unsafe allocate(source.count, alignment: 1)
            unsafe place.copyMemory(from: source.base, byteCount: source.count)
            return unsafe Bytes(UnsafeRawPointer(place), source.count)
        }
    }

    @inlinable public func text(_ bytes: [UInt8]) -> Bytes {
        guard !bytes.isEmpty else { return .empty }
        return bytes.withBytes { source in
            let place = unsafe allocate(source.count, alignment: 1)
            unsafe place.copyMemory(from: source.base, byteCount: source.count)
            return unsafe Bytes(UnsafeRawPointer(place), source.count)
        }
    }
}
