import Primitives
import Transport
import Upstream
package struct HTTPConfig: BitwiseCopyable { package init() {} }
extension Worker {
  func http1Opened(_ c: UnsafeMutablePointer<Connection>, _ h: UnsafePointer<HTTPConfig>) {}
  func http1DownstreamEnded(_ c: UnsafeMutablePointer<Connection>) {}
  func http1UpstreamEnded(_ c: UnsafeMutablePointer<Connection>, _ e: Int32) {}
  func http1DownstreamFailed(_ c: UnsafeMutablePointer<Connection>, _ e: Int32) {}
  func http1DownstreamSent(_ c: UnsafeMutablePointer<Connection>, _ e: Int) {}
  func http1UpstreamSent(_ c: UnsafeMutablePointer<Connection>, _ e: Int) {}
  func http1UpstreamSendFailed(_ c: UnsafeMutablePointer<Connection>, _ e: Int32) {}
  func http1Connected(_ c: UnsafeMutablePointer<Connection>) {}
  func http1ConnectFailed(_ c: UnsafeMutablePointer<Connection>, _ e: ConnectFailure) {}
  func http1DownstreamTimedOut(_ c: UnsafeMutablePointer<Connection>) {}
  func http1UpstreamTimedOut(_ c: UnsafeMutablePointer<Connection>) {}
  func http1DownstreamReceived(_ c: UnsafeMutablePointer<Connection>, _ b: Bytes, buffer: UInt16) {}
  func http1UpstreamReceived(_ c: UnsafeMutablePointer<Connection>, _ b: Bytes, buffer: UInt16) {}
  func hostRemoved(_ h: Handle) {}
  func streamTimedOut(_ h: Handle) {}
  func drainChanged(_ d: DrainState) { drain = d }
}
