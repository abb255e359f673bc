import Glibc

/// The `martlet` program, run as an operator runs it.
package struct Martlet: Sendable {
    package let binary: String

    package init(_ binary: String) { self.binary = binary }

    /// What a run that ends by itself printed and returned.
    package struct Finished: Sendable {
        /// 0…255, 128 + signal, or nil when it had to be killed.
        package let status: Int32?
        package let output: String
    }

    package func start(_ arguments: [String], environment: [String: String] = [:]) throws -> ChildProcess {
        try ChildProcess(binary, arguments, environment: environment)
    }

    /// Runs to the end, which must come within the limit.
    package func run(_ arguments: [String], limitMs: Int = 10_000) throws -> Finished {
        let process = try start(arguments)
        let status = process.waitForExit(upToMs: limitMs)
        let output = process.output
        if status == nil { process.kill() }
        return Finished(status: status, output: output)
    }

    /// `martlet --mode validate -c FILE`.
    package func validate(_ file: String) throws -> Finished {
        try run(["--mode", "validate", "-c", file])
    }
}

extension ChildProcess {
    /// Waits until the admin port says that it is ready; false when the program ended before, or the time is over.
    package func becomesReady(admin: UInt16, upToMs limit: Int = 30_000) -> Bool {
        let admin = Admin(port: admin)
        return wait(upToMs: limit, everyMs: 10) { admin.isReady() || exitStatus() != nil } && exitStatus() == nil
    }
}
