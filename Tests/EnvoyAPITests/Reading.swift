import EnvoyAPI

/// Everything the reader says about a text, one line each, warnings included.
func lines(_ yaml: String, _ file: String = "c.yaml", format: ConfigReader.Format = .yaml) -> [String] {
    do {
        let input = ConfigReader.Input(Array(yaml.utf8), name: file, format: format)
        return try ConfigReader.read([input]).warnings.map(\.description)
    } catch {
        return error.errors.map(\.description)
    }
}

/// The same for any message.
func lines<M: Message>(_ type: M.Type, _ yaml: String) -> [String] {
    do {
        return try ConfigReader.read(type, [ConfigReader.Input(yaml: yaml, name: "")]).warnings.map(\.description)
    } catch {
        return error.errors.map(\.description)
    }
}
