// A growing array of trivial values in plain memory: no copy on write, no reference count. Owner: one thread.

@safe
public struct PlainArray<Element> {
    public var base: UnsafeMutablePointer<Element>
    public var count = 0
    @usableFromInline var capacity: Int

    @inlinable public init(capacity: Int = 16) {
        self.capacity = max(capacity, 1)
        unsafe base = .allocate(capacity: self.capacity)
    }

    @inlinable public func destroy() { unsafe base.deallocate() }

    @inlinable public var isEmpty: Bool { count == 0 }

    @inline(__always)
    @inlinable public subscript(_ index: Int) -> Element {
        get {
            assert(index >= 0 && index < count, "PlainArray index out of bounds")
            return unsafe base[index]
        }
        nonmutating set {
            assert(index >= 0 && index < count, "PlainArray index out of bounds")
            unsafe base[index] = newValue
        }
    }

    @inline(__always)
    @inlinable public mutating func append(_ element: Element) {
        if count == capacity { grow() }
        unsafe (base + count).initialize(to: element)
        count &+= 1
    }

    @inline(__always)
    @inlinable public mutating func popLast() -> Element? {
        guard count > 0 else { return nil }
        count &-= 1
        return unsafe base[count]
    }

    /// The last element takes the place of the removed one.
    @inlinable public mutating func swapRemove(_ index: Int) {
        count &-= 1
        unsafe base[index] = base[count]
    }

    @inline(__always)
    @inlinable public mutating func removeAll() { count = 0 }

    /// Drops the first `n`; the rest moves down.
    @inlinable public mutating func removeFirst(_ n: Int) {
        guard n > 0 else { return }
        count &-= n
        unsafe base.update(from: base + n, count: count)
    }

    @inlinable mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity &* 2)
        unsafe larger.update(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = larger
        capacity &*= 2
    }
}
