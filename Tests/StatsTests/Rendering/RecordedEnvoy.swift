/// What Envoy 1.40.0 printed for one set of statistics: one worker, 15 requests over HTTP/1 (direct responses, a
/// virtual cluster, upstream codes 200, 204, 301, 404 and 503, two slow ones), then a flush interval without traffic.
enum RecordedEnvoy {
    static let text = #"""
        cluster.up.circuit_breakers.default.rq_open: 0
        cluster.up.circuit_breakers.default.rq_pending_open: 0
        cluster.up.circuit_breakers.default.rq_retry_open: 0
        cluster.up.external.upstream_rq_200: 9
        cluster.up.external.upstream_rq_204: 1
        cluster.up.external.upstream_rq_2xx: 10
        cluster.up.external.upstream_rq_301: 1
        cluster.up.external.upstream_rq_3xx: 1
        cluster.up.external.upstream_rq_404: 1
        cluster.up.external.upstream_rq_4xx: 1
        cluster.up.external.upstream_rq_503: 1
        cluster.up.external.upstream_rq_5xx: 1
        cluster.up.external.upstream_rq_completed: 13
        cluster.up.http1.dropped_headers_with_underscores: 0
        cluster.up.http1.metadata_not_supported_error: 0
        cluster.up.http1.requests_rejected_with_underscores_in_headers: 0
        cluster.up.http1.response_flood: 0
        cluster.up.upstream_cx_http1_total: 1
        cluster.up.upstream_rq_200: 9
        cluster.up.upstream_rq_204: 1
        cluster.up.upstream_rq_2xx: 10
        cluster.up.upstream_rq_301: 1
        cluster.up.upstream_rq_3xx: 1
        cluster.up.upstream_rq_404: 1
        cluster.up.upstream_rq_4xx: 1
        cluster.up.upstream_rq_503: 1
        cluster.up.upstream_rq_5xx: 1
        cluster.up.upstream_rq_active: 0
        cluster.up.upstream_rq_active_overflow: 0
        cluster.up.upstream_rq_total: 14
        http.ingress.downstream_rq_1xx: 0
        http.ingress.downstream_rq_2xx: 11
        http.ingress.downstream_rq_3xx: 1
        http.ingress.downstream_rq_4xx: 2
        http.ingress.downstream_rq_5xx: 1
        http.ingress.downstream_rq_total: 15
        listener.127.0.0.1_19932.http.ingress.downstream_rq_1xx: 0
        listener.127.0.0.1_19932.http.ingress.downstream_rq_2xx: 11
        listener.127.0.0.1_19932.http.ingress.downstream_rq_3xx: 1
        listener.127.0.0.1_19932.http.ingress.downstream_rq_4xx: 2
        listener.127.0.0.1_19932.http.ingress.downstream_rq_5xx: 1
        listener.127.0.0.1_19932.http.ingress.downstream_rq_completed: 15
        listener.127.0.0.1_19932.no_filter_chain_match: 0
        listener.127.0.0.1_19932.worker_0.downstream_cx_active: 0
        listener.127.0.0.1_19932.worker_0.downstream_cx_total: 15
        vhost.vh.vcluster.api.upstream_rq_200: 1
        vhost.vh.vcluster.api.upstream_rq_2xx: 1
        cluster.up.external.upstream_rq_time: P0(nan,0) P25(nan,40.666666666666664) P50(nan,44.333333333333336) P75(nan,47.5) P90(nan,80.5) P95(nan,155) P99(nan,155) P99.5(nan,155) P99.9(nan,155) P100(nan,155)
        cluster.up.upstream_cx_connect_ms: P0(nan,0) P25(nan,0) P50(nan,0) P75(nan,0) P90(nan,0) P95(nan,0) P99(nan,0) P99.5(nan,0) P99.9(nan,0) P100(nan,0)
        cluster.up.upstream_rq_time: P0(nan,0) P25(nan,40.666666666666664) P50(nan,44.333333333333336) P75(nan,47.5) P90(nan,80.5) P95(nan,155) P99(nan,155) P99.5(nan,155) P99.9(nan,155) P100(nan,155)

        """#

    static let usedOnly = #"""
        cluster.up.circuit_breakers.default.rq_open: 0
        cluster.up.circuit_breakers.default.rq_pending_open: 0
        cluster.up.external.upstream_rq_200: 9
        cluster.up.external.upstream_rq_204: 1
        cluster.up.external.upstream_rq_2xx: 10
        cluster.up.external.upstream_rq_301: 1
        cluster.up.external.upstream_rq_3xx: 1
        cluster.up.external.upstream_rq_404: 1
        cluster.up.external.upstream_rq_4xx: 1
        cluster.up.external.upstream_rq_503: 1
        cluster.up.external.upstream_rq_5xx: 1
        cluster.up.external.upstream_rq_completed: 13
        cluster.up.upstream_cx_http1_total: 1
        cluster.up.upstream_rq_200: 9
        cluster.up.upstream_rq_204: 1
        cluster.up.upstream_rq_2xx: 10
        cluster.up.upstream_rq_301: 1
        cluster.up.upstream_rq_3xx: 1
        cluster.up.upstream_rq_404: 1
        cluster.up.upstream_rq_4xx: 1
        cluster.up.upstream_rq_503: 1
        cluster.up.upstream_rq_5xx: 1
        cluster.up.upstream_rq_active: 0
        cluster.up.upstream_rq_total: 14
        http.ingress.downstream_rq_2xx: 11
        http.ingress.downstream_rq_3xx: 1
        http.ingress.downstream_rq_4xx: 2
        http.ingress.downstream_rq_5xx: 1
        http.ingress.downstream_rq_total: 15
        listener.127.0.0.1_19932.http.ingress.downstream_rq_2xx: 11
        listener.127.0.0.1_19932.http.ingress.downstream_rq_3xx: 1
        listener.127.0.0.1_19932.http.ingress.downstream_rq_4xx: 2
        listener.127.0.0.1_19932.http.ingress.downstream_rq_5xx: 1
        listener.127.0.0.1_19932.http.ingress.downstream_rq_completed: 15
        listener.127.0.0.1_19932.worker_0.downstream_cx_active: 0
        listener.127.0.0.1_19932.worker_0.downstream_cx_total: 15
        vhost.vh.vcluster.api.upstream_rq_200: 1
        vhost.vh.vcluster.api.upstream_rq_2xx: 1
        cluster.up.external.upstream_rq_time: P0(nan,0) P25(nan,40.666666666666664) P50(nan,44.333333333333336) P75(nan,47.5) P90(nan,80.5) P95(nan,155) P99(nan,155) P99.5(nan,155) P99.9(nan,155) P100(nan,155)
        cluster.up.upstream_cx_connect_ms: P0(nan,0) P25(nan,0) P50(nan,0) P75(nan,0) P90(nan,0) P95(nan,0) P99(nan,0) P99.5(nan,0) P99.9(nan,0) P100(nan,0)
        cluster.up.upstream_rq_time: P0(nan,0) P25(nan,40.666666666666664) P50(nan,44.333333333333336) P75(nan,47.5) P90(nan,80.5) P95(nan,155) P99(nan,155) P99.5(nan,155) P99.9(nan,155) P100(nan,155)

        """#

    static let json = #"""
        {"stats":[{"name":"cluster.up.circuit_breakers.default.rq_open","value":0},{"name":"cluster.up.circuit_breakers.default.rq_pending_open","value":0},{"name":"cluster.up.circuit_breakers.default.rq_retry_open","value":0},{"name":"cluster.up.external.upstream_rq_200","value":9},{"name":"cluster.up.external.upstream_rq_204","value":1},{"name":"cluster.up.external.upstream_rq_2xx","value":10},{"name":"cluster.up.external.upstream_rq_301","value":1},{"name":"cluster.up.external.upstream_rq_3xx","value":1},{"name":"cluster.up.external.upstream_rq_404","value":1},{"name":"cluster.up.external.upstream_rq_4xx","value":1},{"name":"cluster.up.external.upstream_rq_503","value":1},{"name":"cluster.up.external.upstream_rq_5xx","value":1},{"name":"cluster.up.external.upstream_rq_completed","value":13},{"name":"cluster.up.http1.dropped_headers_with_underscores","value":0},{"name":"cluster.up.http1.metadata_not_supported_error","value":0},{"name":"cluster.up.http1.requests_rejected_with_underscores_in_headers","value":0},{"name":"cluster.up.http1.response_flood","value":0},{"name":"cluster.up.upstream_cx_http1_total","value":1},{"name":"cluster.up.upstream_rq_200","value":9},{"name":"cluster.up.upstream_rq_204","value":1},{"name":"cluster.up.upstream_rq_2xx","value":10},{"name":"cluster.up.upstream_rq_301","value":1},{"name":"cluster.up.upstream_rq_3xx","value":1},{"name":"cluster.up.upstream_rq_404","value":1},{"name":"cluster.up.upstream_rq_4xx","value":1},{"name":"cluster.up.upstream_rq_503","value":1},{"name":"cluster.up.upstream_rq_5xx","value":1},{"name":"cluster.up.upstream_rq_active","value":0},{"name":"cluster.up.upstream_rq_active_overflow","value":0},{"name":"cluster.up.upstream_rq_total","value":14},{"name":"http.ingress.downstream_rq_1xx","value":0},{"name":"http.ingress.downstream_rq_2xx","value":11},{"name":"http.ingress.downstream_rq_3xx","value":1},{"name":"http.ingress.downstream_rq_4xx","value":2},{"name":"http.ingress.downstream_rq_5xx","value":1},{"name":"http.ingress.downstream_rq_total","value":15},{"name":"listener.127.0.0.1_19932.http.ingress.downstream_rq_1xx","value":0},{"name":"listener.127.0.0.1_19932.http.ingress.downstream_rq_2xx","value":11},{"name":"listener.127.0.0.1_19932.http.ingress.downstream_rq_3xx","value":1},{"name":"listener.127.0.0.1_19932.http.ingress.downstream_rq_4xx","value":2},{"name":"listener.127.0.0.1_19932.http.ingress.downstream_rq_5xx","value":1},{"name":"listener.127.0.0.1_19932.http.ingress.downstream_rq_completed","value":15},{"name":"listener.127.0.0.1_19932.no_filter_chain_match","value":0},{"name":"listener.127.0.0.1_19932.worker_0.downstream_cx_active","value":0},{"name":"listener.127.0.0.1_19932.worker_0.downstream_cx_total","value":15},{"name":"vhost.vh.vcluster.api.upstream_rq_200","value":1},{"name":"vhost.vh.vcluster.api.upstream_rq_2xx","value":1},{"histograms":{"supported_quantiles":[0,25,50,75,90,95,99,99.5,99.9,100],"computed_quantiles":[{"name":"cluster.up.external.upstream_rq_time","values":[{"cumulative":0,"interval":null},{"cumulative":40.666666666666664,"interval":null},{"cumulative":44.333333333333336,"interval":null},{"cumulative":47.5,"interval":null},{"cumulative":80.5,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null}]},{"name":"cluster.up.upstream_cx_connect_ms","values":[{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null}]},{"name":"cluster.up.upstream_rq_time","values":[{"cumulative":0,"interval":null},{"cumulative":40.666666666666664,"interval":null},{"cumulative":44.333333333333336,"interval":null},{"cumulative":47.5,"interval":null},{"cumulative":80.5,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null}]}]}}]}
        """#

    static let cumulative = #"""
        cluster.up.external.upstream_rq_time: B0.5(0,1) B1(0,1) B5(0,2) B10(0,2) B25(0,2) B50(0,11) B100(0,12) B250(0,13) B500(0,13) B1000(0,13) B2500(0,13) B5000(0,13) B10000(0,13) B30000(0,13) B60000(0,13) B300000(0,13) B600000(0,13) B1.8e+06(0,13) B3.6e+06(0,13)
        cluster.up.upstream_cx_connect_ms: B0.5(0,2) B1(0,2) B5(0,2) B10(0,2) B25(0,2) B50(0,2) B100(0,2) B250(0,2) B500(0,2) B1000(0,2) B2500(0,2) B5000(0,2) B10000(0,2) B30000(0,2) B60000(0,2) B300000(0,2) B600000(0,2) B1.8e+06(0,2) B3.6e+06(0,2)
        cluster.up.upstream_rq_time: B0.5(0,1) B1(0,1) B5(0,2) B10(0,2) B25(0,2) B50(0,11) B100(0,12) B250(0,13) B500(0,13) B1000(0,13) B2500(0,13) B5000(0,13) B10000(0,13) B30000(0,13) B60000(0,13) B300000(0,13) B600000(0,13) B1.8e+06(0,13) B3.6e+06(0,13)

        """#

    static let cumulativeJSON = #"""
        {"stats":[{"histograms":[{"name":"cluster.up.external.upstream_rq_time","buckets":[{"upper_bound":0.5,"interval":0,"cumulative":1},{"upper_bound":1,"interval":0,"cumulative":1},{"upper_bound":5,"interval":0,"cumulative":2},{"upper_bound":10,"interval":0,"cumulative":2},{"upper_bound":25,"interval":0,"cumulative":2},{"upper_bound":50,"interval":0,"cumulative":11},{"upper_bound":100,"interval":0,"cumulative":12},{"upper_bound":250,"interval":0,"cumulative":13},{"upper_bound":500,"interval":0,"cumulative":13},{"upper_bound":1000,"interval":0,"cumulative":13},{"upper_bound":2500,"interval":0,"cumulative":13},{"upper_bound":5000,"interval":0,"cumulative":13},{"upper_bound":10000,"interval":0,"cumulative":13},{"upper_bound":30000,"interval":0,"cumulative":13},{"upper_bound":60000,"interval":0,"cumulative":13},{"upper_bound":3e+05,"interval":0,"cumulative":13},{"upper_bound":6e+05,"interval":0,"cumulative":13},{"upper_bound":1800000,"interval":0,"cumulative":13},{"upper_bound":3600000,"interval":0,"cumulative":13}]},{"name":"cluster.up.upstream_cx_connect_ms","buckets":[{"upper_bound":0.5,"interval":0,"cumulative":2},{"upper_bound":1,"interval":0,"cumulative":2},{"upper_bound":5,"interval":0,"cumulative":2},{"upper_bound":10,"interval":0,"cumulative":2},{"upper_bound":25,"interval":0,"cumulative":2},{"upper_bound":50,"interval":0,"cumulative":2},{"upper_bound":100,"interval":0,"cumulative":2},{"upper_bound":250,"interval":0,"cumulative":2},{"upper_bound":500,"interval":0,"cumulative":2},{"upper_bound":1000,"interval":0,"cumulative":2},{"upper_bound":2500,"interval":0,"cumulative":2},{"upper_bound":5000,"interval":0,"cumulative":2},{"upper_bound":10000,"interval":0,"cumulative":2},{"upper_bound":30000,"interval":0,"cumulative":2},{"upper_bound":60000,"interval":0,"cumulative":2},{"upper_bound":3e+05,"interval":0,"cumulative":2},{"upper_bound":6e+05,"interval":0,"cumulative":2},{"upper_bound":1800000,"interval":0,"cumulative":2},{"upper_bound":3600000,"interval":0,"cumulative":2}]},{"name":"cluster.up.upstream_rq_time","buckets":[{"upper_bound":0.5,"interval":0,"cumulative":1},{"upper_bound":1,"interval":0,"cumulative":1},{"upper_bound":5,"interval":0,"cumulative":2},{"upper_bound":10,"interval":0,"cumulative":2},{"upper_bound":25,"interval":0,"cumulative":2},{"upper_bound":50,"interval":0,"cumulative":11},{"upper_bound":100,"interval":0,"cumulative":12},{"upper_bound":250,"interval":0,"cumulative":13},{"upper_bound":500,"interval":0,"cumulative":13},{"upper_bound":1000,"interval":0,"cumulative":13},{"upper_bound":2500,"interval":0,"cumulative":13},{"upper_bound":5000,"interval":0,"cumulative":13},{"upper_bound":10000,"interval":0,"cumulative":13},{"upper_bound":30000,"interval":0,"cumulative":13},{"upper_bound":60000,"interval":0,"cumulative":13},{"upper_bound":3e+05,"interval":0,"cumulative":13},{"upper_bound":6e+05,"interval":0,"cumulative":13},{"upper_bound":1800000,"interval":0,"cumulative":13},{"upper_bound":3600000,"interval":0,"cumulative":13}]}]}]}
        """#

    static let disjoint = #"""
        cluster.up.external.upstream_rq_time: B0.5(0,1) B1(0,0) B5(0,1) B10(0,0) B25(0,0) B50(0,9) B100(0,1) B250(0,1) B500(0,0) B1000(0,0) B2500(0,0) B5000(0,0) B10000(0,0) B30000(0,0) B60000(0,0) B300000(0,0) B600000(0,0) B1.8e+06(0,0) B3.6e+06(0,0)
        cluster.up.upstream_cx_connect_ms: B0.5(0,2) B1(0,0) B5(0,0) B10(0,0) B25(0,0) B50(0,0) B100(0,0) B250(0,0) B500(0,0) B1000(0,0) B2500(0,0) B5000(0,0) B10000(0,0) B30000(0,0) B60000(0,0) B300000(0,0) B600000(0,0) B1.8e+06(0,0) B3.6e+06(0,0)
        cluster.up.upstream_rq_time: B0.5(0,1) B1(0,0) B5(0,1) B10(0,0) B25(0,0) B50(0,9) B100(0,1) B250(0,1) B500(0,0) B1000(0,0) B2500(0,0) B5000(0,0) B10000(0,0) B30000(0,0) B60000(0,0) B300000(0,0) B600000(0,0) B1.8e+06(0,0) B3.6e+06(0,0)

        """#

    static let disjointJSON = #"""
        {"stats":[{"histograms":[{"name":"cluster.up.external.upstream_rq_time","buckets":[{"upper_bound":0.5,"interval":0,"cumulative":1},{"upper_bound":1,"interval":0,"cumulative":0},{"upper_bound":5,"interval":0,"cumulative":1},{"upper_bound":10,"interval":0,"cumulative":0},{"upper_bound":25,"interval":0,"cumulative":0},{"upper_bound":50,"interval":0,"cumulative":9},{"upper_bound":100,"interval":0,"cumulative":1},{"upper_bound":250,"interval":0,"cumulative":1},{"upper_bound":500,"interval":0,"cumulative":0},{"upper_bound":1000,"interval":0,"cumulative":0},{"upper_bound":2500,"interval":0,"cumulative":0},{"upper_bound":5000,"interval":0,"cumulative":0},{"upper_bound":10000,"interval":0,"cumulative":0},{"upper_bound":30000,"interval":0,"cumulative":0},{"upper_bound":60000,"interval":0,"cumulative":0},{"upper_bound":3e+05,"interval":0,"cumulative":0},{"upper_bound":6e+05,"interval":0,"cumulative":0},{"upper_bound":1800000,"interval":0,"cumulative":0},{"upper_bound":3600000,"interval":0,"cumulative":0}]},{"name":"cluster.up.upstream_cx_connect_ms","buckets":[{"upper_bound":0.5,"interval":0,"cumulative":2},{"upper_bound":1,"interval":0,"cumulative":0},{"upper_bound":5,"interval":0,"cumulative":0},{"upper_bound":10,"interval":0,"cumulative":0},{"upper_bound":25,"interval":0,"cumulative":0},{"upper_bound":50,"interval":0,"cumulative":0},{"upper_bound":100,"interval":0,"cumulative":0},{"upper_bound":250,"interval":0,"cumulative":0},{"upper_bound":500,"interval":0,"cumulative":0},{"upper_bound":1000,"interval":0,"cumulative":0},{"upper_bound":2500,"interval":0,"cumulative":0},{"upper_bound":5000,"interval":0,"cumulative":0},{"upper_bound":10000,"interval":0,"cumulative":0},{"upper_bound":30000,"interval":0,"cumulative":0},{"upper_bound":60000,"interval":0,"cumulative":0},{"upper_bound":3e+05,"interval":0,"cumulative":0},{"upper_bound":6e+05,"interval":0,"cumulative":0},{"upper_bound":1800000,"interval":0,"cumulative":0},{"upper_bound":3600000,"interval":0,"cumulative":0}]},{"name":"cluster.up.upstream_rq_time","buckets":[{"upper_bound":0.5,"interval":0,"cumulative":1},{"upper_bound":1,"interval":0,"cumulative":0},{"upper_bound":5,"interval":0,"cumulative":1},{"upper_bound":10,"interval":0,"cumulative":0},{"upper_bound":25,"interval":0,"cumulative":0},{"upper_bound":50,"interval":0,"cumulative":9},{"upper_bound":100,"interval":0,"cumulative":1},{"upper_bound":250,"interval":0,"cumulative":1},{"upper_bound":500,"interval":0,"cumulative":0},{"upper_bound":1000,"interval":0,"cumulative":0},{"upper_bound":2500,"interval":0,"cumulative":0},{"upper_bound":5000,"interval":0,"cumulative":0},{"upper_bound":10000,"interval":0,"cumulative":0},{"upper_bound":30000,"interval":0,"cumulative":0},{"upper_bound":60000,"interval":0,"cumulative":0},{"upper_bound":3e+05,"interval":0,"cumulative":0},{"upper_bound":6e+05,"interval":0,"cumulative":0},{"upper_bound":1800000,"interval":0,"cumulative":0},{"upper_bound":3600000,"interval":0,"cumulative":0}]}]}]}
        """#

    static let detailed = #"""
        cluster.up.external.upstream_rq_time:
          totals=0,0:1, 2,0.1:1, 40,1:2, 41,1:1, 43,1:1, 44,1:2, 45,1:1, 47,1:1, 48,1:1, 80,1:1, 150,10:1
          intervals=
          summary=P0(nan,0) P25(nan,40.666666666666664) P50(nan,44.333333333333336) P75(nan,47.5) P90(nan,80.5) P95(nan,155) P99(nan,155) P99.5(nan,155) P99.9(nan,155) P100(nan,155)
        cluster.up.upstream_cx_connect_ms:
          totals=0,0:2
          intervals=
          summary=P0(nan,0) P25(nan,0) P50(nan,0) P75(nan,0) P90(nan,0) P95(nan,0) P99(nan,0) P99.5(nan,0) P99.9(nan,0) P100(nan,0)
        cluster.up.upstream_rq_time:
          totals=0,0:1, 2,0.1:1, 40,1:2, 41,1:1, 43,1:1, 44,1:2, 45,1:1, 47,1:1, 48,1:1, 80,1:1, 150,10:1
          intervals=
          summary=P0(nan,0) P25(nan,40.666666666666664) P50(nan,44.333333333333336) P75(nan,47.5) P90(nan,80.5) P95(nan,155) P99(nan,155) P99.5(nan,155) P99.9(nan,155) P100(nan,155)

        """#

    static let detailedJSON = #"""
        {"stats":[{"histograms":{"supported_percentiles":[0,25,50,75,90,95,99,99.5,99.9,100],"details":[{"name":"cluster.up.external.upstream_rq_time","totals":[{"lower_bound":0,"width":0,"count":1},{"lower_bound":2,"width":0.1,"count":1},{"lower_bound":40,"width":1,"count":2},{"lower_bound":41,"width":1,"count":1},{"lower_bound":43,"width":1,"count":1},{"lower_bound":44,"width":1,"count":2},{"lower_bound":45,"width":1,"count":1},{"lower_bound":47,"width":1,"count":1},{"lower_bound":48,"width":1,"count":1},{"lower_bound":80,"width":1,"count":1},{"lower_bound":150,"width":10,"count":1}],"intervals":[],"percentiles":[{"cumulative":0,"interval":null},{"cumulative":40.666666666666664,"interval":null},{"cumulative":44.333333333333336,"interval":null},{"cumulative":47.5,"interval":null},{"cumulative":80.5,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null}]},{"name":"cluster.up.upstream_cx_connect_ms","totals":[{"lower_bound":0,"width":0,"count":2}],"intervals":[],"percentiles":[{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null},{"cumulative":0,"interval":null}]},{"name":"cluster.up.upstream_rq_time","totals":[{"lower_bound":0,"width":0,"count":1},{"lower_bound":2,"width":0.1,"count":1},{"lower_bound":40,"width":1,"count":2},{"lower_bound":41,"width":1,"count":1},{"lower_bound":43,"width":1,"count":1},{"lower_bound":44,"width":1,"count":2},{"lower_bound":45,"width":1,"count":1},{"lower_bound":47,"width":1,"count":1},{"lower_bound":48,"width":1,"count":1},{"lower_bound":80,"width":1,"count":1},{"lower_bound":150,"width":10,"count":1}],"intervals":[],"percentiles":[{"cumulative":0,"interval":null},{"cumulative":40.666666666666664,"interval":null},{"cumulative":44.333333333333336,"interval":null},{"cumulative":47.5,"interval":null},{"cumulative":80.5,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null},{"cumulative":155,"interval":null}]}]}}]}
        """#

    static let prometheus = #"""
        # TYPE envoy_cluster_external_upstream_rq counter
        envoy_cluster_external_upstream_rq{envoy_response_code="200",envoy_cluster_name="up"} 9
        envoy_cluster_external_upstream_rq{envoy_response_code="204",envoy_cluster_name="up"} 1
        envoy_cluster_external_upstream_rq{envoy_response_code="301",envoy_cluster_name="up"} 1
        envoy_cluster_external_upstream_rq{envoy_response_code="404",envoy_cluster_name="up"} 1
        envoy_cluster_external_upstream_rq{envoy_response_code="503",envoy_cluster_name="up"} 1
        # TYPE envoy_cluster_external_upstream_rq_completed counter
        envoy_cluster_external_upstream_rq_completed{envoy_cluster_name="up"} 13
        # TYPE envoy_cluster_external_upstream_rq_xx counter
        envoy_cluster_external_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="up"} 10
        envoy_cluster_external_upstream_rq_xx{envoy_response_code_class="3",envoy_cluster_name="up"} 1
        envoy_cluster_external_upstream_rq_xx{envoy_response_code_class="4",envoy_cluster_name="up"} 1
        envoy_cluster_external_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="up"} 1
        # TYPE envoy_cluster_http1_dropped_headers_with_underscores counter
        envoy_cluster_http1_dropped_headers_with_underscores{envoy_cluster_name="up"} 0
        # TYPE envoy_cluster_http1_metadata_not_supported_error counter
        envoy_cluster_http1_metadata_not_supported_error{envoy_cluster_name="up"} 0
        # TYPE envoy_cluster_http1_requests_rejected_with_underscores_in_headers counter
        envoy_cluster_http1_requests_rejected_with_underscores_in_headers{envoy_cluster_name="up"} 0
        # TYPE envoy_cluster_http1_response_flood counter
        envoy_cluster_http1_response_flood{envoy_cluster_name="up"} 0
        # TYPE envoy_cluster_upstream_cx_http1_total counter
        envoy_cluster_upstream_cx_http1_total{envoy_cluster_name="up"} 1
        # TYPE envoy_cluster_upstream_rq counter
        envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="up"} 9
        envoy_cluster_upstream_rq{envoy_response_code="204",envoy_cluster_name="up"} 1
        envoy_cluster_upstream_rq{envoy_response_code="301",envoy_cluster_name="up"} 1
        envoy_cluster_upstream_rq{envoy_response_code="404",envoy_cluster_name="up"} 1
        envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="up"} 1
        # TYPE envoy_cluster_upstream_rq_active_overflow counter
        envoy_cluster_upstream_rq_active_overflow{envoy_cluster_name="up"} 0
        # TYPE envoy_cluster_upstream_rq_total counter
        envoy_cluster_upstream_rq_total{envoy_cluster_name="up"} 14
        # TYPE envoy_cluster_upstream_rq_xx counter
        envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="up"} 10
        envoy_cluster_upstream_rq_xx{envoy_response_code_class="3",envoy_cluster_name="up"} 1
        envoy_cluster_upstream_rq_xx{envoy_response_code_class="4",envoy_cluster_name="up"} 1
        envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="up"} 1
        # TYPE envoy_http_downstream_rq_total counter
        envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="ingress"} 15
        # TYPE envoy_http_downstream_rq_xx counter
        envoy_http_downstream_rq_xx{envoy_response_code_class="1",envoy_http_conn_manager_prefix="ingress"} 0
        envoy_http_downstream_rq_xx{envoy_response_code_class="2",envoy_http_conn_manager_prefix="ingress"} 11
        envoy_http_downstream_rq_xx{envoy_response_code_class="3",envoy_http_conn_manager_prefix="ingress"} 1
        envoy_http_downstream_rq_xx{envoy_response_code_class="4",envoy_http_conn_manager_prefix="ingress"} 2
        envoy_http_downstream_rq_xx{envoy_response_code_class="5",envoy_http_conn_manager_prefix="ingress"} 1
        # TYPE envoy_listener_http_downstream_rq_completed counter
        envoy_listener_http_downstream_rq_completed{envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_19932"} 15
        # TYPE envoy_listener_http_downstream_rq_xx counter
        envoy_listener_http_downstream_rq_xx{envoy_response_code_class="1",envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_19932"} 0
        envoy_listener_http_downstream_rq_xx{envoy_response_code_class="2",envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_19932"} 11
        envoy_listener_http_downstream_rq_xx{envoy_response_code_class="3",envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_19932"} 1
        envoy_listener_http_downstream_rq_xx{envoy_response_code_class="4",envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_19932"} 2
        envoy_listener_http_downstream_rq_xx{envoy_response_code_class="5",envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_19932"} 1
        # TYPE envoy_listener_no_filter_chain_match counter
        envoy_listener_no_filter_chain_match{envoy_listener_address="127.0.0.1_19932"} 0
        # TYPE envoy_listener_worker_downstream_cx_total counter
        envoy_listener_worker_downstream_cx_total{envoy_worker_id="0",envoy_listener_address="127.0.0.1_19932"} 15
        # TYPE envoy_vhost_vcluster_upstream_rq counter
        envoy_vhost_vcluster_upstream_rq{envoy_response_code="200",envoy_virtual_cluster="api",envoy_virtual_host="vh"} 1
        # TYPE envoy_vhost_vcluster_upstream_rq_xx counter
        envoy_vhost_vcluster_upstream_rq_xx{envoy_response_code_class="2",envoy_virtual_cluster="api",envoy_virtual_host="vh"} 1
        # TYPE envoy_cluster_circuit_breakers_default_rq_open gauge
        envoy_cluster_circuit_breakers_default_rq_open{envoy_cluster_name="up"} 0
        # TYPE envoy_cluster_circuit_breakers_default_rq_pending_open gauge
        envoy_cluster_circuit_breakers_default_rq_pending_open{envoy_cluster_name="up"} 0
        # TYPE envoy_cluster_circuit_breakers_default_rq_retry_open gauge
        envoy_cluster_circuit_breakers_default_rq_retry_open{envoy_cluster_name="up"} 0
        # TYPE envoy_cluster_upstream_rq_active gauge
        envoy_cluster_upstream_rq_active{envoy_cluster_name="up"} 0
        # TYPE envoy_listener_worker_downstream_cx_active gauge
        envoy_listener_worker_downstream_cx_active{envoy_worker_id="0",envoy_listener_address="127.0.0.1_19932"} 0
        # TYPE envoy_cluster_external_upstream_rq_time histogram
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="0.5"} 1
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="1"} 1
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="5"} 2
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="10"} 2
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="25"} 2
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="50"} 11
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="100"} 12
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="250"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="500"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="1000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="2500"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="5000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="10000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="30000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="60000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="300000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="600000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="1800000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="3600000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="+Inf"} 13
        envoy_cluster_external_upstream_rq_time_sum{envoy_cluster_name="up"} 633.83311941570684666658053174615
        envoy_cluster_external_upstream_rq_time_count{envoy_cluster_name="up"} 13
        # TYPE envoy_cluster_upstream_cx_connect_ms histogram
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="0.5"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="1"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="5"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="10"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="25"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="50"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="100"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="250"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="500"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="1000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="2500"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="5000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="10000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="30000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="60000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="300000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="600000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="1800000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="3600000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="+Inf"} 2
        envoy_cluster_upstream_cx_connect_ms_sum{envoy_cluster_name="up"} 0
        envoy_cluster_upstream_cx_connect_ms_count{envoy_cluster_name="up"} 2
        # TYPE envoy_cluster_upstream_rq_time histogram
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="0.5"} 1
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="1"} 1
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="5"} 2
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="10"} 2
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="25"} 2
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="50"} 11
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="100"} 12
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="250"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="500"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="1000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="2500"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="5000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="10000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="30000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="60000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="300000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="600000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="1800000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="3600000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="+Inf"} 13
        envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="up"} 633.83311941570684666658053174615
        envoy_cluster_upstream_rq_time_count{envoy_cluster_name="up"} 13

        """#

    static let prometheusUsedOnly = #"""
        # TYPE envoy_cluster_external_upstream_rq counter
        envoy_cluster_external_upstream_rq{envoy_response_code="200",envoy_cluster_name="up"} 9
        envoy_cluster_external_upstream_rq{envoy_response_code="204",envoy_cluster_name="up"} 1
        envoy_cluster_external_upstream_rq{envoy_response_code="301",envoy_cluster_name="up"} 1
        envoy_cluster_external_upstream_rq{envoy_response_code="404",envoy_cluster_name="up"} 1
        envoy_cluster_external_upstream_rq{envoy_response_code="503",envoy_cluster_name="up"} 1
        # TYPE envoy_cluster_external_upstream_rq_completed counter
        envoy_cluster_external_upstream_rq_completed{envoy_cluster_name="up"} 13
        # TYPE envoy_cluster_external_upstream_rq_xx counter
        envoy_cluster_external_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="up"} 10
        envoy_cluster_external_upstream_rq_xx{envoy_response_code_class="3",envoy_cluster_name="up"} 1
        envoy_cluster_external_upstream_rq_xx{envoy_response_code_class="4",envoy_cluster_name="up"} 1
        envoy_cluster_external_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="up"} 1
        # TYPE envoy_cluster_upstream_cx_http1_total counter
        envoy_cluster_upstream_cx_http1_total{envoy_cluster_name="up"} 1
        # TYPE envoy_cluster_upstream_rq counter
        envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="up"} 9
        envoy_cluster_upstream_rq{envoy_response_code="204",envoy_cluster_name="up"} 1
        envoy_cluster_upstream_rq{envoy_response_code="301",envoy_cluster_name="up"} 1
        envoy_cluster_upstream_rq{envoy_response_code="404",envoy_cluster_name="up"} 1
        envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="up"} 1
        # TYPE envoy_cluster_upstream_rq_total counter
        envoy_cluster_upstream_rq_total{envoy_cluster_name="up"} 14
        # TYPE envoy_cluster_upstream_rq_xx counter
        envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="up"} 10
        envoy_cluster_upstream_rq_xx{envoy_response_code_class="3",envoy_cluster_name="up"} 1
        envoy_cluster_upstream_rq_xx{envoy_response_code_class="4",envoy_cluster_name="up"} 1
        envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="up"} 1
        # TYPE envoy_http_downstream_rq_total counter
        envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="ingress"} 15
        # TYPE envoy_http_downstream_rq_xx counter
        envoy_http_downstream_rq_xx{envoy_response_code_class="2",envoy_http_conn_manager_prefix="ingress"} 11
        envoy_http_downstream_rq_xx{envoy_response_code_class="3",envoy_http_conn_manager_prefix="ingress"} 1
        envoy_http_downstream_rq_xx{envoy_response_code_class="4",envoy_http_conn_manager_prefix="ingress"} 2
        envoy_http_downstream_rq_xx{envoy_response_code_class="5",envoy_http_conn_manager_prefix="ingress"} 1
        # TYPE envoy_listener_http_downstream_rq_completed counter
        envoy_listener_http_downstream_rq_completed{envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_19932"} 15
        # TYPE envoy_listener_http_downstream_rq_xx counter
        envoy_listener_http_downstream_rq_xx{envoy_response_code_class="2",envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_19932"} 11
        envoy_listener_http_downstream_rq_xx{envoy_response_code_class="3",envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_19932"} 1
        envoy_listener_http_downstream_rq_xx{envoy_response_code_class="4",envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_19932"} 2
        envoy_listener_http_downstream_rq_xx{envoy_response_code_class="5",envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_19932"} 1
        # TYPE envoy_listener_worker_downstream_cx_total counter
        envoy_listener_worker_downstream_cx_total{envoy_worker_id="0",envoy_listener_address="127.0.0.1_19932"} 15
        # TYPE envoy_vhost_vcluster_upstream_rq counter
        envoy_vhost_vcluster_upstream_rq{envoy_response_code="200",envoy_virtual_cluster="api",envoy_virtual_host="vh"} 1
        # TYPE envoy_vhost_vcluster_upstream_rq_xx counter
        envoy_vhost_vcluster_upstream_rq_xx{envoy_response_code_class="2",envoy_virtual_cluster="api",envoy_virtual_host="vh"} 1
        # TYPE envoy_cluster_circuit_breakers_default_rq_open gauge
        envoy_cluster_circuit_breakers_default_rq_open{envoy_cluster_name="up"} 0
        # TYPE envoy_cluster_circuit_breakers_default_rq_pending_open gauge
        envoy_cluster_circuit_breakers_default_rq_pending_open{envoy_cluster_name="up"} 0
        # TYPE envoy_cluster_upstream_rq_active gauge
        envoy_cluster_upstream_rq_active{envoy_cluster_name="up"} 0
        # TYPE envoy_listener_worker_downstream_cx_active gauge
        envoy_listener_worker_downstream_cx_active{envoy_worker_id="0",envoy_listener_address="127.0.0.1_19932"} 0
        # TYPE envoy_cluster_external_upstream_rq_time histogram
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="0.5"} 1
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="1"} 1
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="5"} 2
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="10"} 2
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="25"} 2
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="50"} 11
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="100"} 12
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="250"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="500"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="1000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="2500"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="5000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="10000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="30000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="60000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="300000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="600000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="1800000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="3600000"} 13
        envoy_cluster_external_upstream_rq_time_bucket{envoy_cluster_name="up",le="+Inf"} 13
        envoy_cluster_external_upstream_rq_time_sum{envoy_cluster_name="up"} 633.83311941570684666658053174615
        envoy_cluster_external_upstream_rq_time_count{envoy_cluster_name="up"} 13
        # TYPE envoy_cluster_upstream_cx_connect_ms histogram
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="0.5"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="1"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="5"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="10"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="25"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="50"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="100"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="250"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="500"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="1000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="2500"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="5000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="10000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="30000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="60000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="300000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="600000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="1800000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="3600000"} 2
        envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_name="up",le="+Inf"} 2
        envoy_cluster_upstream_cx_connect_ms_sum{envoy_cluster_name="up"} 0
        envoy_cluster_upstream_cx_connect_ms_count{envoy_cluster_name="up"} 2
        # TYPE envoy_cluster_upstream_rq_time histogram
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="0.5"} 1
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="1"} 1
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="5"} 2
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="10"} 2
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="25"} 2
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="50"} 11
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="100"} 12
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="250"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="500"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="1000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="2500"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="5000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="10000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="30000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="60000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="300000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="600000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="1800000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="3600000"} 13
        envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="up",le="+Inf"} 13
        envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="up"} 633.83311941570684666658053174615
        envoy_cluster_upstream_rq_time_count{envoy_cluster_name="up"} 13

        """#

    static let prometheusSummary = #"""
        # TYPE envoy_vhost_vcluster_upstream_rq_time summary
        envoy_vhost_vcluster_upstream_rq_time{envoy_virtual_cluster="api",envoy_virtual_host="vh",quantile="0"} nan
        envoy_vhost_vcluster_upstream_rq_time{envoy_virtual_cluster="api",envoy_virtual_host="vh",quantile="0.25"} nan
        envoy_vhost_vcluster_upstream_rq_time{envoy_virtual_cluster="api",envoy_virtual_host="vh",quantile="0.5"} nan
        envoy_vhost_vcluster_upstream_rq_time{envoy_virtual_cluster="api",envoy_virtual_host="vh",quantile="0.75"} nan
        envoy_vhost_vcluster_upstream_rq_time{envoy_virtual_cluster="api",envoy_virtual_host="vh",quantile="0.9"} nan
        envoy_vhost_vcluster_upstream_rq_time{envoy_virtual_cluster="api",envoy_virtual_host="vh",quantile="0.95"} nan
        envoy_vhost_vcluster_upstream_rq_time{envoy_virtual_cluster="api",envoy_virtual_host="vh",quantile="0.99"} nan
        envoy_vhost_vcluster_upstream_rq_time{envoy_virtual_cluster="api",envoy_virtual_host="vh",quantile="0.995"} nan
        envoy_vhost_vcluster_upstream_rq_time{envoy_virtual_cluster="api",envoy_virtual_host="vh",quantile="0.999"} nan
        envoy_vhost_vcluster_upstream_rq_time{envoy_virtual_cluster="api",envoy_virtual_host="vh",quantile="1"} nan
        envoy_vhost_vcluster_upstream_rq_time_sum{envoy_virtual_cluster="api",envoy_virtual_host="vh"} 0
        envoy_vhost_vcluster_upstream_rq_time_count{envoy_virtual_cluster="api",envoy_virtual_host="vh"} 0

        """#
}
