// A worker's thread: made by main, ended by main.

import CLiburing
import CMartlet
import COpenSSL
import Glibc
import Pipeline
import Primitives
import Ring
import Stats

/// What a thread tells main once its ring is there, or could not be had. Written before `isReady` is.
@safe
final class WorkerThread: @unchecked Sendable {
    let index: Int
    let mailbox: Mailbox
    private let cells: StatCells
    /// To a CPU of its own. Not changed once the thread runs.
    var pins: Bool
    private let stats: UInt32
    private let callConfig: UnsafePointer<HTTPConfig>
    private let exportInbox: ExportInbox?
    private var thread = pthread_t()
    private let started = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    private var error: RingError?
    private(set) var ringDescriptor: Int32 = -1
    /// In the table of threads.
    private(set) var number: Int32 = -1
    /// Kept beyond the thread's end: what a worker holds at the end of the process is not taken apart, and a leak checker
    /// is to find it reachable.
    private var worker: Worker?

    init(
        index: Int, mailbox: Mailbox, cells: StatCells, stats: UInt32, pins: Bool, callConfig: UnsafePointer<HTTPConfig>,
        exportInbox: ExportInbox?
    ) {
        self.index = index
        self.mailbox = mailbox
        self.cells = cells
        self.stats = stats
        self.pins = pins
        unsafe self.callConfig = unsafe callConfig
        self.exportInbox = exportInbox
        unsafe started.initialize(to: 0)
    }

    /// Starts the thread and waits until its ring is there.
    func start() throws(RingError) {
        let box = unsafe Unmanaged.passRetained(self).toOpaque()
        let status = unsafe pthread_create(&thread, nil, { opaque in
            guard let opaque = unsafe opaque else { return nil }
            unsafe Unmanaged<WorkerThread>.fromOpaque(opaque).takeRetainedValue().main()
            return nil
        }, unsafe box)
        guard status == 0 else { throw .setup(status) }
        while unsafe Started.read(started) == 0 { usleep(200) }
        if let error { throw error }
    }

    private func main() {
        unsafe martlet_thread_name("wrk:worker_\(index)")
        number = unsafe martlet_thread_enter("worker_\(index)")
        defer { martlet_thread_leave() }
        if martlet_poisons() == 0 { _ = martlet_openssl_keeps_memory() }
        // More workers than CPUs share them in turn.
        if pins { _ = martlet_thread_pin(UInt32(truncatingIfNeeded: index) % max(1, martlet_cpu_count())) }
        do throws(RingError) {
            var options = WorkerOptions()
            options.index = index
            options.stats = stats
            options.exportInbox = exportInbox
            unsafe options.callConfig = unsafe callConfig
            let worker = try Worker(options: options, mailbox: mailbox, cells: cells)
            self.worker = worker
            ringDescriptor = worker.ring.descriptor
            unsafe Started.write(started)
            worker.run()
        } catch {
            self.error = error
            unsafe Started.write(started)
        }
    }

    func join() { pthread_join(thread, nil) }
}
