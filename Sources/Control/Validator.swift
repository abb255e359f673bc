// `--mode validate`: the same compilers without workers, sockets or signals.

import Pipeline
import Stats
import StatsStore

extension Server {
    package static func validator(filters: FilterRegistry) -> Configurator {
        Configurator(
            stats: StatRegistry(workers: 1), filters: filters, workers: 1,
            publisher: PlanPublisher(mailboxes: []))
    }
}
