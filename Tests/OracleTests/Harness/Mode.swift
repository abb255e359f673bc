import TestSupport

/// How the oracle is consulted, by the environment variable `MARTLET_ORACLE`.
enum Mode: String {
    /// Envoy runs and its outcomes are written as golden files; Martlet does not run.
    case record
    /// Envoy runs, must agree with the golden files, and is what Martlet is compared with.
    case live
    /// Martlet is compared with the golden files; Envoy does not run.
    case golden

    static let chosen: Mode? = Environment["MARTLET_ORACLE"].flatMap(Mode.init)

    /// `MARTLET_ORACLE_CASES=framing.,limits.header`: only cases whose names begin so.
    static func selects(_ test: Case) -> Bool {
        guard let wanted = Environment["MARTLET_ORACLE_CASES"] else { return true }
        return wanted.split(separator: ",").contains { test.name.hasPrefix($0) }
    }
}
