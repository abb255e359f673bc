// A format with operators (`%REQ(:path)%`), compiled: what header mutations, access logs and local replies write.

import Primitives

package struct Format: BitwiseCopyable {
    package var pieces = FrozenArray<FormatPiece>()
    package init() {}
}

package struct FormatPiece: BitwiseCopyable {
    package var literal = Bytes.empty
    package init() {}
}

package struct AccessLogConfig: BitwiseCopyable {
    package init() {}
}

package struct LocalReplyConfig: BitwiseCopyable {
    package init() {}
}
