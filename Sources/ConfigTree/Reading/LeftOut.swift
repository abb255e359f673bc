/// An extension that Martlet lacks, where the configuration itself says that it may be missing, or that it is off: what it
/// is set to is not read, and the compilers leave it out with a warning.
extension TreeReader {
    /// An HTTP filter, or what a route says of one. Envoy knows the types of all its messages, and what it does not know has to
    /// come in a `TypedStruct`, even if it is optional.
    func mayBeMissing(_ type: String, isWrapped: Bool) -> Bool {
        guard let level = levels.last else { return false }
        switch schema.messages[level.type].name {
        case "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter", "envoy.config.route.v3.FilterConfig": break
        default: return false
        }
        let isEnvoys = EnvoyTypes.names.contains(type)
        return isTrue("is_optional", level) && (isEnvoys || isWrapped) || isTrue("disabled", level) && isEnvoys
    }

    func leftOut(_ node: Int, _ url: String, _ type: Int) -> TreeAny {
        let mark = document[node].mark
        return TreeAny(mark: mark, url: url, content: .message(TreeMessage(type: type, mark: mark)))
    }

    private func isTrue(_ name: String, _ level: Level) -> Bool {
        guard let field = schema.messages[level.type].byName[name] else { return false }
        return level.pairs.contains { pair in
            guard schema.messages[level.type].byName[pair.key] == field else { return false }
            if case .scalar("true", isPlain: true) = document[pair.value].content { return true }
            return false
        }
    }
}
