// What a command answers: a status, a type, and a body that is made piece by piece.

package struct AdminResponse {
    package var status: UInt16
    package var contentType: String
    package var body: BodySource
    package var cacheControl = "no-cache, max-age=0"
    /// Besides the type, `cache-control` and `x-content-type-options`.
    package var headers: [(name: String, value: String)] = []

    package static let text = "text/plain; charset=UTF-8"
    /// What answers have that carry an error of a JSON command.
    package static let plainText = "text/plain"
    package static let json = "application/json"
    package static let binary = "application/octet-stream"
    package static let html = "text/html; charset=UTF-8"

    package init(status: UInt16 = 200, contentType: String = AdminResponse.text, body: BodySource) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    package init(_ text: String, status: UInt16 = 200, contentType: String = AdminResponse.text) {
        self.init(status: status, contentType: contentType, body: TextBody(text))
    }

    /// RFC 9110 §15.5.2: a 401 says how to ask.
    package static func unauthorized(_ text: String) -> AdminResponse {
        var response = AdminResponse(text, status: 401)
        response.headers = [("www-authenticate", "Bearer")]
        return response
    }

    package static var ok: AdminResponse { AdminResponse("OK\n") }
}
