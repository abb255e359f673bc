import CMartlet
import Glibc
import Testing

/// Waits are counted, and only waits. Last in its process or not: functions stay in front.
@Suite(.serialized)
struct LockWaitsTests {
    @Test
    func onlyALockThatIsHeldIsAWait() {
        #expect(martlet_locks_prepare() > 0)
        let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
        defer { unsafe mutex.deallocate() }
        let before = martlet_lock_waits_now()
        unsafe pthread_mutex_lock(mutex)
        var thread = pthread_t()
        let status = unsafe pthread_create(&thread, nil, { mutex in
            guard let mutex = unsafe mutex?.assumingMemoryBound(to: pthread_mutex_t.self) else { return nil }
            unsafe pthread_mutex_lock(mutex)
            unsafe pthread_mutex_unlock(mutex)
            return nil
        }, unsafe mutex)
        #expect(status == 0)
        usleep(100_000)
        unsafe pthread_mutex_unlock(mutex)
        pthread_join(thread, nil)
        let after = martlet_lock_waits_now()
        // Other tests run at the same time, and may wait too.
        #expect(after.contentions > before.contentions)
        #expect(after.cycles - before.cycles > 10_000_000)
    }
}
