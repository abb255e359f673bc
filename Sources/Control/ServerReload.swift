// A configuration that takes the place of the one that is served, and certificates that were written anew. What is wrong is
// refused with its errors, and the old one serves on.

import CMartlet
import EnvoyAPI
import Pipeline
import Stats
import StatsStore

extension Server {
    /// Reads the bootstrap again. A wrong one is refused with its errors, and the old plan serves on.
    package func reload() {
        guard let path = options.configPath else {
            log.write(.warning, "config", "nothing to reload: the configuration is not a file")
            return
        }
        // Its listeners would take addresses again that a successor may have.
        if isDraining {
            log.write(.warning, "config", "\(path): not read again: the process drains and ends")
            return
        }
        do throws(ConfigErrors) {
            let document = try ConfigReader.read(
                path: path, yaml: options.configYAML, unknownFields: options.unknownFields)
            apply(document, path)
        } catch {
            refuse(error, path)
        }
    }

    private func apply(_ document: ConfigDocument, _ path: String) {
        do throws(Configurator.Failure) {
            let before = configurator.watchdogs
            try configurator.apply(document)
            if let configs = configurator.watchdogs, configs != before { changeWatchdogs(configs) }
            logWarnings()
            configurationApplied()
            events.add(
                .applied, path, version: publisher.version, changes: configurator.changes, lines: configurator.changes.lines)
            stats.mainCells.increment(planScope[.reloadsApplied])
            log.write(.info, "config", "\(path): applied")
            martlet_release_spare_memory()
        } catch {
            switch error {
            case .config(let errors): refuse(errors, path)
            case .listen(let error):
                stats.mainCells.increment(planScope[.reloadsRefused])
                events.add(.refused, path, version: publisher.version, lines: [error.text])
                log.write(.error, "config", "\(path): refused, the old configuration serves on: \(error.text)")
            }
        }
    }

    func reloadCertificates() {
        configurator.reloadCertificates { owner, warnings in
            stats.mainCells.increment(planScope[.certificatesRenewed])
            events.add(.certificates, owner + "ssl", version: publisher.version)
            log.write(.info, "config", "\(owner)ssl: certificates read again")
            for warning in warnings { log.write(.warning, "config", "\(owner)ssl: \(warning.message)") }
        } failed: { owner, errors in
            stats.mainCells.increment(planScope[.certificatesRefused])
            events.add(
                .certificatesRefused, owner + "ssl", version: publisher.version, lines: errors.map(\.description))
            for error in errors {
                let found = error.found.map { ": \($0)" } ?? ""
                log.write(.error, "config", "\(owner)ssl: the old certificates serve on: \(error.message)\(found)")
            }
        }
    }

    func reloadTexts() {
        configurator.reloadTexts { path in
            stats.mainCells.increment(planScope[.textsRenewed])
            log.write(.info, "config", "\(path): read again")
        } failed: { path, reason in
            stats.mainCells.increment(planScope[.textsRefused])
            log.write(.error, "config", "\(path): what it held before is written on: \(reason)")
        }
    }

    private func refuse(_ errors: ConfigErrors, _ path: String) {
        stats.mainCells.increment(planScope[.reloadsRefused])
        events.add(.refused, path, version: publisher.version, lines: errors.errors.map(\.description))
        log.write(.error, "config", "\(path): refused, the old configuration serves on")
        for error in errors.errors { log.write(.error, "config", error.description) }
    }
}
