/// `martlet.workers.`: ours, Envoy has none of them. What the workers' rings were short of; nothing is lost by it.
@frozen public enum WorkerStat: UInt32, StatLeaf {
    /// Receives that found no buffer and went on in a later turn.
    case receivesWithoutBuffer
    /// Turns before which the kernel had to keep completions aside: their queue was full.
    case completionQueueFull

    public static let schema = StatSchema(WorkerStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .receivesWithoutBuffer: .counter("receives_without_buffer")
        case .completionQueueFull: .counter("completion_queue_full")
        }
    }
}
