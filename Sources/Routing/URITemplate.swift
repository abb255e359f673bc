// URI templates of `path_match_policy` (`/a/{x=*}/**`), as a regex with the same meaning.

enum URITemplate {
    struct Invalid: Error, Equatable {
        var message: String
    }

    static func pattern(_ template: String) throws(Invalid) -> String {
        throw Invalid(message: "uri_template is not supported yet: \(template)")
    }
}
