// `/stats` and `/stats/prometheus`: the query, and the renderer of the Stats target as a body.

import Control
import Primitives
import Routing
import Stats
import StatsStore

enum StatsCommand {
    static let command = AdminCommand(
        "/stats", "print server stats",
        [
            usedOnly, filter, invertFilter,
            .init("format", "Format to use", .choice(["html", "active-html", "text", "json"])),
            .init(
                "type", "Stat types to include.",
                .choice(["All", "Counters", "Histograms", "Gauges", "TextReadouts"])),
            .init(
                "histogram_buckets", "Histogram bucket display mode",
                .choice(["cumulative", "disjoint", "detailed", "summary"])),
        ]
    ) { context, request in
        switch request.query.nonEmpty("format") {
        case nil, "text": answer(context, request, .text)
        case "json": answer(context, request, .json)
        case "prometheus": answer(context, request, prometheusFormat(request))
        case "html": snapshotPage(context, request)
        case "active-html": activePage(request)
        default: AdminResponse("usage: /stats?format=(html|active-html|json|prometheus|text)\n\n", status: 400)
        }
    }

    static let prometheus = AdminCommand(
        "/stats/prometheus", "print server stats in prometheus format",
        [
            usedOnly,
            .init(
                "text_readouts",
                "Render text_readouts as new gaugues with value 0 (increases Prometheus data size)", .flag),
            filter, invertFilter,
            .init("histogram_buckets", "Histogram bucket display mode", .choice(["cumulative", "summary"])),
        ]
    ) { context, request in answer(context, request, prometheusFormat(request)) }

    private static let protobuf = "application/vnd.google.protobuf"

    /// The first of the two that the client names decides; its weights do not.
    private static func prometheusFormat(_ request: AdminRequest) -> StatsQuery.Format {
        for element in request.accept.split(separator: ",") {
            var type = element.drop { $0 == " " || $0 == "\t" }
            if let end = type.firstIndex(of: ";") {
                // A space before the semicolon belongs to the type, as in Envoy.
                type = type[..<end]
            } else {
                while type.last == " " || type.last == "\t" { type.removeLast() }
            }
            if type == protobuf { return .prometheusProtobuf }
            if type == "text/plain" { return .prometheus }
        }
        return .prometheus
    }

    private static let usedOnly = AdminCommand.Parameter(
        "usedonly", "Only include stats that have been written by system since restart", .flag)
    private static let filter = AdminCommand.Parameter(
        "filter", "Regular expression (Google re2) for filtering stats")
    private static let invertFilter = AdminCommand.Parameter("invert_filter", "Invert the filter regex", .flag)

    private static func answer(_ context: AdminContext, _ request: AdminRequest, _ format: StatsQuery.Format) -> AdminResponse {
        let query: StatsQuery
        do throws(Refusal) {
            query = try self.query(request.query, format)
        } catch {
            return AdminResponse(error.text, status: 400)
        }
        let type =
            switch format {
            case .json: AdminResponse.json
            case .prometheusProtobuf: protobuf + "; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            case .text, .prometheus: AdminResponse.text
            }
        return AdminResponse(contentType: type, body: StatsBody(context.stats, query, after: refreshed(context)))
    }

    /// The flush to wait for, if answers wait for one.
    private static func refreshed(_ context: AdminContext) -> StatisticsFlush? {
        context.server.refreshStatistics()
        let flush = context.server.statisticsFlush
        if flush?.isForAdmin == true { flush?.begin() }
        return flush
    }

    /// What the text has, each kind below its heading; whole histograms (`detailed`) as pictures.
    private static func snapshotPage(_ context: AdminContext, _ request: AdminRequest) -> AdminResponse {
        let query: StatsQuery
        do throws(Refusal) {
            query = try self.query(request.query, .text)
        } catch {
            return AdminResponse(error.text, status: 400)
        }
        let flush = refreshed(context)
        let kinds: [(title: String, types: StatsQuery.Types)]
        switch query.types {
        case .all: kinds = [("Text readouts", .textReadouts), ("Counters and gauges", .scalars), ("Histograms", .histograms)]
        case .counters, .scalars: kinds = [("Counters", query.types)]
        case .gauges: kinds = [("Gauges", .gauges)]
        case .histograms: kinds = [("Histograms", .histograms)]
        case .textReadouts: kinds = [("Text readouts", .textReadouts)]
        }
        return StatsPages.snapshot(
            request,
            kinds.map { kind in
                var part = query
                part.types = kind.types
                let isData = kind.types == .histograms && query.buckets == .detailed
                if isData { part.format = .json }
                return StatsPageBody.Section(title: kind.title, isData: isData) { StatsBody(context.stats, part, after: flush) }
            })
    }

    private static func activePage(_ request: AdminRequest) -> AdminResponse {
        do throws(Refusal) {
            _ = try query(request.query, .json)
        } catch {
            return AdminResponse(error.text, status: 400)
        }
        return StatsPages.active(request)
    }

    private struct Refusal: Error { let text: String }

    private static func query(
        _ parameters: QueryParameters, _ format: StatsQuery.Format
    ) throws(Refusal) -> StatsQuery {
        var query = StatsQuery()
        query.format = format
        query.usedOnly = parameters.has("usedonly")
        query.textReadouts = parameters.has("text_readouts")
        if parameters.isBroken("filter") { throw Refusal(text: "Invalid re2 regex: invalid UTF-8") }
        if let pattern = parameters.nonEmpty("filter") {
            let regex: RegexFilter
            do throws(RegexProgram.Invalid) {
                regex = try RegexFilter(checked: pattern)
            } catch {
                throw Refusal(text: "Invalid re2 regex: \(error.message)")
            }
            let isInverted = parameters.has("invert_filter")
            query.filter = { name in
                unsafe name.withUnsafeBufferPointer { buffer in
                    let text = unsafe buffer.baseAddress.map { unsafe Bytes($0, buffer.count) } ?? .empty
                    return regex.finds(in: text) != isInverted
                }
            }
        }
        if query.filter == nil, parameters.has("invert_filter") {
            throw Refusal(text: "invert_filter can only be used if filter is also provided")
        }
        switch parameters.nonEmpty("hidden") {
        case nil, "include", "exclude": break
        // Hidden are statistics that only the overload manager of an Envoy makes: none here.
        case "only": query.filter = { _ in false }
        default: throw Refusal(text: "usage: /stats?hidden=(include|only|exclude)\n\n")
        }
        switch parameters.nonEmpty("type") {
        case nil, "All": query.types = .all
        case "Counters": query.types = .counters
        case "Gauges": query.types = .gauges
        case "Histograms": query.types = .histograms
        case "TextReadouts": query.types = .textReadouts
        default: throw Refusal(text: "invalid &type= param")
        }
        // As in Envoy a scraper gets all kinds, whatever it asked for.
        if format == .prometheus || format == .prometheusProtobuf { query.types = .all }
        query.buckets = try buckets(parameters.nonEmpty("histogram_buckets"), format)
        return query
    }

    private static func buckets(
        _ text: String?, _ format: StatsQuery.Format
    ) throws(Refusal) -> StatsQuery.Buckets {
        let buckets: StatsQuery.Buckets
        switch text {
        case nil: return .standard
        case "cumulative": buckets = .cumulative
        case "disjoint": buckets = .disjoint
        case "detailed": buckets = .detailed
        case "summary", "none": buckets = .summary
        case "prometheusnative":
            switch format {
            case .prometheusProtobuf: buckets = .native
            case .prometheus:
                throw Refusal(
                    text: "unsupported prometheusnative histogram type when not using protobuf exposition format")
            case .text, .json: throw Refusal(text: "Invalid histogram_buckets type for non prometheus stats type")
            }
        default:
            throw Refusal(
                text: "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n")
        }
        if format == .prometheus || format == .prometheusProtobuf, buckets == .disjoint || buckets == .detailed {
            throw Refusal(text: "unsupported prometheus histogram bucket mode")
        }
        return buckets
    }
}

/// The renderer as a body: one slice per piece. Nothing yet while the flush runs that the request has begun
/// (`stats_flush_on_admin`).
final class StatsBody: BodySource {
    private var renderer: StatsRenderer
    private let flush: StatisticsFlush?

    init(_ stats: StatRegistry, _ query: StatsQuery, after flush: StatisticsFlush? = nil) {
        renderer = StatsRenderer(stats, query)
        self.flush = flush?.isForAdmin == true ? flush : nil
    }

    override var isWaiting: Bool { flush?.isRunning == true }

    override func next(_ out: inout [UInt8]) -> Bool {
        renderer.next(maxBytes: BodySource.pieceBytes) { slice in
            unsafe slice.withUnsafeBufferPointer { unsafe out.append(contentsOf: $0) }
        }
    }
}
