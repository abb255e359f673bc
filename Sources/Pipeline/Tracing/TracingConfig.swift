// What configuration says of tracing, frozen: which requests, which tags, and the provider that the spans go to.

import Primitives
import Routing

/// `tracing` of a connection manager.
@safe
package struct TracingConfig: BitwiseCopyable {
    /// First statistic of `http.<stat_prefix>.tracing.` (`HTTPTracingStat`).
    package var stats: UInt32 = 0
    /// Nil: requests are chosen and counted, and nothing is recorded.
    package var tracer: UnsafePointer<TracerConfig>?
    package var client = RuntimeFraction(Fraction(100, .hundred))
    package var random = RuntimeFraction(Fraction(10_000, .tenThousand))
    package var overall = RuntimeFraction(Fraction(100, .hundred))
    /// The request id decides, so that every hop picks the same requests; else a random number.
    package var samplesByRequestID = true
    package var isVerbose = false
    /// `spawn_upstream_span`: the proxy is a hop of its own, each try has a span.
    package var spawnsUpstream = false
    /// `no_context_propagation` is not set: hosts are told whose child their span is.
    package var tellsHosts = true
    /// The listener's traffic goes out (`traffic_direction: OUTBOUND`).
    package var isEgress = false
    package var pathMax = 256
    package var tags = FrozenArray<TracingTag>()
    /// `operation`, `upstream_operation`; nil: Envoy's own names.
    package var operation: Format?
    package var upstreamOperation: Format?
    package init() {}
}

/// `tracing` of a route, the connection manager's tags merged in.
@safe
package struct RouteTracing: BitwiseCopyable {
    /// Nil: the connection manager's.
    package var client: RuntimeFraction?
    package var random: RuntimeFraction?
    package var overall: RuntimeFraction?
    package var tags = FrozenArray<TracingTag>()
    package var operation: Format?
    package var upstreamOperation: Format?
    package init() {}
}

/// `decorator` of a route.
package struct RouteDecorator: BitwiseCopyable {
    package var operation: Bytes
    package var propagates: Bool
    package init(operation: Bytes, propagates: Bool) {
        self.operation = operation
        self.propagates = propagates
    }
}

/// One of `custom_tags`.
package struct TracingTag: BitwiseCopyable {
    package enum Kind: UInt8, BitwiseCopyable { case literal, header, metadata, format }
    package var name: Bytes
    package var kind: Kind
    /// The literal, or what stands for a header or metadata that is not there; empty: the tag is left out.
    package var value = Bytes.empty
    /// Lower case.
    package var header = Bytes.empty
    package var metadata = MetadataTag(.route, .empty)
    package var format: Format?

    package init(name: Bytes, kind: Kind) {
        self.name = name
        self.kind = kind
    }
}

/// `provider`: how spans are made and where they go.
@safe
package struct TracerConfig: BitwiseCopyable {
    package enum Payload: UInt8, BitwiseCopyable { case otlpGRPC, otlpHTTP, zipkinJSON, zipkinProto, skyWalking, datadog }

    package var payload = Payload.otlpGRPC
    /// Where spans go; nil: they are made and passed on, and nobody gets them.
    package var export: UnsafePointer<ExportConfig>?
    package var sampler = TraceSampler()

    // What every span says of this proxy.
    package var node = Bytes.empty
    package var zone = Bytes.empty

    // Zipkin, SkyWalking, Datadog.
    package var service = Bytes.empty

    // SkyWalking.
    package var instance = Bytes.empty

    // Datadog: who speaks.
    package var version = Bytes.empty
    package var runtimeID = Bytes.empty
    package var process: UInt32 = 0

    // Zipkin.
    package var address = SocketAddress()
    package var has128BitIDs = false
    package var sharesContext = true
    package var splitsSpans = false
    package var usesW3C = false
    /// `timestamp_trace_ids`: an id begins with the second in which its trace began.
    package var datesIDs = false
    package init() {}

    package var isZipkin: Bool { payload == .zipkinJSON || payload == .zipkinProto }

    /// Spans of one request leave together, as a segment or a trace, recorded or not (`HeldSpans`).
    package var holdsSpans: Bool { payload == .skyWalking || payload == .datadog }
}

/// `sampler` of OpenTelemetry.
package struct TraceSampler: BitwiseCopyable {
    package enum Kind: UInt8, BitwiseCopyable { case none, alwaysOn, ratio, expression }
    package var kind = Kind.none
    /// A caller's decision goes before the rule.
    package var followsParent = false
    package var fraction = Fraction(0, .hundred)
    /// True of what is recorded. As in Envoy it does not see the request's head where it decides of a try's span.
    package var program: CELProgram?
    package init() {}
}
