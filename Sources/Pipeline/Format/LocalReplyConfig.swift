import Primitives
package struct LocalReplyConfig: BitwiseCopyable {
    package init() {}
}
