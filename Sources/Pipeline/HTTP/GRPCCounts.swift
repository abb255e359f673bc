// Messages of a gRPC call, as a filter has counted them, for logs.

package struct GRPCCounts: BitwiseCopyable {
    package var request: UInt64 = 0
    package var response: UInt64 = 0
    /// There from the first message on.
    package var isKept: Bool { request | response != 0 }
    package init() {}
}
