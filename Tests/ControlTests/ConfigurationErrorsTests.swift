import Control
import EnvoyAPI
import Extensions
import Testing

/// docs/configuration-errors.md, the table of the mistakes that people make: each configuration on it must be answered
/// by the text below it, to the letter.
@Suite struct ConfigurationErrorsTests {
    @Test(arguments: ErrorPage.cases)
    func isAnsweredAsThePageSays(_ mistake: ErrorPage.Case) {
        #expect(validationLines(mistake.configuration).joined(separator: "\n") + "\n" == mistake.text)
    }

    /// 32, 33 and 35 are of the command line; 34 is of xDS.
    @Test func everyNumberIsThere() {
        #expect(Set(ErrorPage.cases.map(\.number)) == Set(1...31))
    }
}

/// What `--mode validate` says, one line each.
func validationLines(_ yaml: String, file: String = "c.yaml") -> [String] {
    do throws(ConfigErrors) {
        let document = try ConfigReader.read(yaml: yaml, file: file)
        try Server.validator(filters: FilterRegistry(HTTPFilters.all)).validate(document)
        return []
    } catch {
        return error.errors.map(\.description)
    }
}
