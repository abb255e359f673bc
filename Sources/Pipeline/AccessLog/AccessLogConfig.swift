import Primitives
package struct AccessLogConfig: BitwiseCopyable {
    package init() {}
}
