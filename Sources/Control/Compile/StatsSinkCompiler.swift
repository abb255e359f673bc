// `stats_sinks` → `SinkSpec`.

import EnvoyAPI
import Primitives
import Stats
import StatsStore

typealias StatsdSinkMessage = Envoy_Config_Metrics_V3_StatsdSink
typealias DogStatsdSinkMessage = Envoy_Config_Metrics_V3_DogStatsdSink
typealias HystrixSinkMessage = Envoy_Config_Metrics_V3_HystrixSink
typealias GraphiteSinkMessage = Envoy_Extensions_StatSinks_GraphiteStatsd_V3_GraphiteStatsdSink

struct StatsSinkCompiler {
    let compilation: Compilation
    let bootstrap: Bootstrap
    let diagnostics: Diagnostics
    let clusterNames: Set<String>

    func compile() -> [SinkSpec] {
        bootstrap.statsSinks.enumerated().compactMap { i, sink in
            let place = Place.root.at("stats_sinks", i)
            let config = place.at("typed_config")
            let any = sink.typedConfig
            switch any.typeURL.split(separator: "/").last.map(String.init) ?? "" {
            case StatsdSinkMessage.protoMessageName:
                return unpacked(any, StatsdSinkMessage.self, config).flatMap { statsd($0, config) }
            case DogStatsdSinkMessage.protoMessageName:
                return unpacked(any, DogStatsdSinkMessage.self, config).flatMap {
                    datagrams(
                        StatsdFormat(.dog, scalesToMilliseconds: $0.scaleHistogramUnitsToMilliseconds), $0.address,
                        $0.hasMaxBytesPerDatagram ? $0.maxBytesPerDatagram.value : 0, $0.prefix, config)
                }
            case GraphiteSinkMessage.protoMessageName:
                return unpacked(any, GraphiteSinkMessage.self, config).flatMap {
                    datagrams(
                        StatsdFormat(.graphite, scalesToMilliseconds: $0.scaleHistogramUnitsToMilliseconds), $0.address,
                        $0.hasMaxBytesPerDatagram ? $0.maxBytesPerDatagram.value : 0, $0.prefix, config)
                }
            case OpenTelemetrySinkMessage.protoMessageName:
                return unpacked(any, OpenTelemetrySinkMessage.self, config).map {
                    MetricsSinkCompiler(compilation: compilation).openTelemetry($0, config)
                }
            case MetricsServiceMessage.protoMessageName:
                return unpacked(any, MetricsServiceMessage.self, config).map {
                    MetricsSinkCompiler(compilation: compilation).metricsService($0, config)
                }
            case HystrixSinkMessage.protoMessageName:
                return unpacked(any, HystrixSinkMessage.self, config).flatMap { hystrix($0, config) }
            case let type:
                diagnostics.error(
                    place, "Didn't find a registered implementation for '\(sink.name)' with type URL: '\(type)'",
                    expected:
                        "\(StatsdSinkMessage.protoMessageName), DogStatsdSink, GraphiteStatsdSink, HystrixSink, an open_telemetry SinkConfig or MetricsServiceConfig")
                return nil
            }
        }
    }

    private func unpacked<M: Message>(_ any: ProtobufAny, _: M.Type, _ place: Place) -> M? {
        if let message = try? M(unpackingAny: any) { return message }
        diagnostics.error(place, "unable to read the \(M.protoMessageName)")
        return nil
    }

    private func hystrix(_ message: HystrixSinkMessage, _ place: Place) -> SinkSpec? {
        guard (0...Int64(HystrixSink.bucketsMax)).contains(message.numBuckets) else {
            diagnostics.error(
                place.at("num_buckets"), "num_buckets is out of range", found: "\(message.numBuckets)",
                expected: "0 (the default, \(HystrixSink.bucketsStandard)) to \(HystrixSink.bucketsMax)")
            return nil
        }
        return .hystrix(buckets: message.numBuckets == 0 ? HystrixSink.bucketsStandard : Int(message.numBuckets))
    }

    private func statsd(_ message: StatsdSinkMessage, _ place: Place) -> SinkSpec? {
        let format = StatsdFormat(.plain, scalesToMilliseconds: message.scaleHistogramUnitsToMilliseconds)
        guard case .tcpClusterName(let name)? = message.statsdSpecifier else {
            return datagrams(format, message.address, 0, message.prefix, place)
        }
        if bootstrap.node.id.isEmpty || bootstrap.node.cluster.isEmpty {
            diagnostics.error(
                place.at("tcp_cluster_name"),
                "tcp statsd: node 'id' and 'cluster' are required. Set it either in 'node' config or via --service-node and --service-cluster options."
            )
            return nil
        }
        guard clusterNames.contains(name) else {
            diagnostics.error(
                place.at("tcp_cluster_name"), "tcp statsd: unknown cluster '\(name)'",
                suggestion: nearestName(name, clusterNames))
            return nil
        }
        return .stream(format, cluster: name, prefix: message.prefix)
    }

    private func datagrams(
        _ format: StatsdFormat, _ address: AddressMessage, _ bytesMax: UInt64, _ prefix: String, _ place: Place
    ) -> SinkSpec? {
        guard let address = AddressCompiler.listening(address, place.at("address"), diagnostics) else { return nil }
        return .datagrams(format, address, bytesMax: Int(clamping: bytesMax), prefix: prefix)
    }
}
