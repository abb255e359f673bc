// One io_uring instance: the only door between a thread and the kernel.
//
// Created on the thread that uses it (SINGLE_ISSUER), completions run only inside `turn` (DEFER_TASKRUN). Everything
// that a turn queues is submitted by the next turn's one enter call.
// Who reads this next: `Worker.turn` in Pipeline.

import CLiburing
import Glibc
import Primitives

public enum RingError: Error, Equatable {
    /// `io_uring_setup` failed with this errno.
    case setup(Int32)
    /// The kernel is older than 6.1, or lacks an operation.
    case kernelTooOld
    case buffers(Int32)
}

/// What happened: the operation's own token, its result (count or negative errno) and the kernel's flags.
public typealias Completion = martlet_completion

extension martlet_completion {
    /// More completions of this operation follow (multishot).
    @inlinable @inline(__always) public var more: Bool { flags & UInt32(MARTLET_CQE_MORE) != 0 }
    @inline(__always) public var hasBuffer: Bool { flags & UInt32(MARTLET_CQE_BUFFER) != 0 }
    @inlinable @inline(__always) public var bufferID: UInt16 {
        UInt16(truncatingIfNeeded: flags >> UInt32(MARTLET_CQE_BUFFER_SHIFT))
    }
}

public typealias SubmissionEntry = UnsafeMutablePointer<io_uring_sqe>

@safe
public struct Ring {
    /// Submission entries; a fuller turn submits in between.
    public static let submissionEntries: UInt32 = 1024
    /// Completions that fit before the kernel has to keep them aside (`docs/limits.md` §completion queue).
    public static let completionEntries: UInt32 = 16384

    public let raw: UnsafeMutablePointer<io_uring>
    /// Receives of several buffers per completion (kernel 6.10).
    public let hasBundles: Bool

    @usableFromInline init(raw: UnsafeMutablePointer<io_uring>, hasBundles: Bool) {
        unsafe self.raw = raw
        self.hasBundles = hasBundles
    }

    /// Call on the thread that will use the ring.
    @inlinable public static func create(
        submissions: UInt32 = Ring.submissionEntries, completions: UInt32 = Ring.completionEntries
    ) throws(RingError) -> Ring {
        let raw = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
        unsafe raw.initialize(to: io_uring())
        let status = unsafe martlet_ring_create(raw, submissions, completions)
        guard status == 0 else {
            unsafe raw.deallocate()
            throw status == -EINVAL ? .kernelTooOld : .setup(-status)
        }
        guard unsafe martlet_probe(raw) != 0 else {
            unsafe io_uring_queue_exit(raw)
            unsafe raw.deallocate()
            throw .kernelTooOld
        }
        // Saves a lookup of the ring's descriptor per enter; not having it costs a little speed only.
        _ = unsafe io_uring_register_ring_fd(raw)
        let features = unsafe martlet_ring_features(raw)
        return unsafe Ring(raw: raw, hasBundles: features & MARTLET_FEAT_RECVSEND_BUNDLE != 0)
    }

    @inlinable public func destroy() {
        unsafe io_uring_queue_exit(raw)
        unsafe raw.deallocate()
    }

    /// The descriptor by which another ring sends messages here.
    @inlinable public var descriptor: Int32 { unsafe raw.pointee.ring_fd }

    // HOT: per operation.
    /// An entry to fill. Full means: submit what is queued and take the next; the kernel always frees the places.
    @inline(__always)
    @inlinable public func entry() -> SubmissionEntry {
        if let entry = unsafe martlet_sqe(raw) { return unsafe entry }
        return unsafe entryAfterSubmit()
    }

    /// Makes room for one entry, so that the next `entry` does not submit: what it will refer to may be written now.
    @inline(__always)
    @inlinable public func reserve() {
        while unsafe martlet_sqe_places(raw) == 0 { _ = unsafe io_uring_submit(raw) }
    }

    @inline(never)
    @inlinable func entryAfterSubmit() -> SubmissionEntry {
        while true {
            _ = unsafe io_uring_submit(raw)
            if let entry = unsafe martlet_sqe(raw) { return unsafe entry }
        }
    }

    // HOT: per turn.
    /// Submits, and waits until something completed or `timeoutNs` passed (negative: no limit; 0: do not wait).
    @inlinable public func turn(timeoutNs: Int64) {
        if timeoutNs == 0 {
            _ = unsafe martlet_ring_turn(raw, 0, 0)
        } else {
            // EINTR, ETIME and EBUSY (completions wait to be taken) all mean: look at what is there.
            _ = unsafe martlet_ring_turn(raw, 1, timeoutNs)
        }
    }

    // HOT: per turn.
    /// Completions wait in the kernel, because the queue had no place for them: the next turn brings them.
    @inline(__always)
    @inlinable public var isFull: Bool { unsafe martlet_ring_is_full(raw) != 0 }

    // HOT: per turn.
    /// Copies completions out; their places are free again.
    @inline(__always)
    @inlinable public func take(_ into: UnsafeMutablePointer<Completion>, max: Int) -> Int {
        unsafe Int(martlet_ring_take(raw, into, UInt32(truncatingIfNeeded: max)))
    }
}
