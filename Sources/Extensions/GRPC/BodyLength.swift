import Pipeline
import Wire

extension Worker {
    /// `content-length` is not what a message of gRPC goes by; one without a body says so behind its other fields, as in Envoy.
    func forgetBodyLength(_ direction: FilterDirection, _ stream: StreamPointer, endStream: Bool) {
        guard endStream else { return unsafe setBodyLength(direction, stream, nil) }
        if direction == .request {
            unsafe stream.pointee.request.remove(.contentLength)
        } else {
            unsafe stream.pointee.response.remove(.contentLength)
        }
    }
}
