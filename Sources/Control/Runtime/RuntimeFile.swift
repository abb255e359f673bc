// A layer of the runtime out of a file (`rtds_config.path_config_source`), which holds a discovery response with one `Runtime`:
// read at the start, and whenever it is another.
//
// Owner: main: the file is small and local.

import EnvoyAPI
import Pipeline

final class RuntimeFile: DiscoveryTransport {
    /// How often it is looked at.
    private static let lookMs: UInt64 = 100

    private let path: String
    private let subscription: Subscription
    private var watch: FileWatch
    private var timer: ControlTimer?
    private var isRead = false

    /// Nil: the source is no file.
    static func path(_ config: ConfigSourceMessage) -> String? {
        switch config.configSourceSpecifier {
        case .path(let path): path
        case .pathConfigSource(let source): source.path
        default: nil
        }
    }

    init(_ path: String, _ subscription: Subscription) {
        self.path = path
        self.subscription = subscription
        watch = FileWatch(path)
    }

    func start(_ reactor: DNSReactor) {
        let timer = reactor.timer { [unowned self] in look() }
        self.timer = timer
        timer.arm(afterMs: 1)
    }

    func stop() {
        timer?.end()
        timer = nil
    }

    private func look() {
        if !isRead || watch.hasChanged() { read() }
        isRead = true
        timer?.arm(afterMs: RuntimeFile.lookMs)
    }

    private func read() {
        subscription.asked()
        let response: ReadMessage<DiscoveryResponseMessage>
        do throws(ConfigErrors) {
            guard let bytes = try? FileContents.read(path) else { return subscription.broken("it cannot be read") }
            response = try ConfigReader.read(
                DiscoveryResponseMessage.self, [ConfigReader.Input(bytes, name: path, format: ConfigReader.Format(path: path), unknownFields: .warning)])
        } catch {
            let first = error.errors.first
            return subscription.broken(first.map { "\($0.line):\($0.column): \($0.message)" } ?? "not a discovery response")
        }
        var update = DiscoveryUpdate(answer: response.message)
        do throws(DiscoveryRefusal) {
            for i in update.resources.indices { try DiscoveredRuntime.read(&update.resources[i]) }
            try subscription.take(update)
        } catch {
            subscription.rejected(error)
        }
    }
}
