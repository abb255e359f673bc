// `admin.access_log`, and the deprecated `admin.access_log_path`.

import EnvoyAPI
import Pipeline
import Primitives

/// The admin listener's access logs, as they were when the process began: the admin interface is not reloaded.
package final class AdminLogs {
    let part: PlanPart
    package let configs: FrozenArray<AccessLogConfig>
    package var nameWireBytes: Bool { part.arena.marks > 0 }
    package var nameRouteTimes: Bool { part.arena.routeMarks > 0 }

    init(_ part: PlanPart, _ configs: FrozenArray<AccessLogConfig>) {
        self.part = part
        self.configs = configs
    }
}

struct AdminLogCompiler {
    let compilation: Compilation

    func compile() -> AdminLogs {
        let admin = compilation.bootstrap.admin
        let part = compilation.part(.listener, "admin", ContentHash())
        let compiler = AccessLogCompiler(compilation: compilation, part: part)
        let place = Place.root.at("admin")
        if admin.accessLog.isEmpty, !admin.accessLogPath.isEmpty {
            return AdminLogs(part, compiler.compile([fileLog(admin.accessLogPath)], place, field: "access_log_path"))
        }
        return AdminLogs(part, compiler.compile(admin.accessLog, place))
    }

    private func fileLog(_ path: String) -> AccessLogMessage {
        var file = FileAccessLog()
        file.path = path
        var message = AccessLogMessage()
        message.name = "envoy.access_loggers.file"
        message.typedConfig = (try? ProtobufAny(message: file)) ?? ProtobufAny()
        return message
    }
}
