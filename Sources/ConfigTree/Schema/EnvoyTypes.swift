import CEnvoyAPI

/// Names of extension messages that Envoy has, whether Martlet serves them or not.
enum EnvoyTypes {
    static let names: Set<String> = Set(ordered)

    static let ordered: [String] = unsafe String(cString: martlet_envoy_types).split(separator: "\n").map(String.init)
}
