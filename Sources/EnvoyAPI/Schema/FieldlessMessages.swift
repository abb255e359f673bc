/// Messages of Envoy's API that have no fields: their name says it all, and needs no generated code.
enum FieldlessMessages {
    static let names = ["envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"]

    static var schemas: [MessageSchema] {
        names.map { MessageSchema(name: $0, form: .plain, fields: [], oneofs: [], notYet: [:], byName: [:], byNumber: [:]) }
    }
}
