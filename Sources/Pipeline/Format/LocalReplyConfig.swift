// `local_reply_config`, frozen: what becomes of the answers that the proxy makes itself.

import Primitives

@safe
package struct LocalReplyConfig: BitwiseCopyable {
    /// The first whose filter holds changes the reply.
    package var mappers = FrozenArray<LocalReplyMapper>()
    package var body: LocalReplyBody?
    package init() {}
}

@safe
package struct LocalReplyBody: BitwiseCopyable {
    package var format: AccessLogConfig.Body
    package var missing = MissingValue.dash
    package var contentType = Bytes.empty
    /// Told by the configuration, or meant by its JSON.
    package var setsContentType = false
    package init(_ format: AccessLogConfig.Body) { self.format = format }
}

@safe
package struct LocalReplyMapper: BitwiseCopyable {
    package var filter = FrozenArray<AccessLogFilterNode>()
    /// 0: as it was.
    package var status: UInt16 = 0
    package var hasBody = false
    package var text = Bytes.empty
    /// Instead of the configuration's own.
    package var body: LocalReplyBody?
    package var headers = FrozenArray<HeaderMutation>()
    package init() {}
}
