import Stats
@testable import StatsStore
import StatsStore
import Testing

/// Order, names that come twice, choices of the defaults: each as Envoy 1.40.0 did it with the same `stats_tags`.
@Suite struct TagExtractionTests {
    private let cluster = "cluster.a.ns.svc.upstream_cx_total"

    private func fixed(_ tag: String, _ value: String) -> TagExtraction.Custom { .init(tag, .fixed(value)) }

    /// A tag whose value is the first place of `text` in the name, which leaves it.
    private func cut(_ tag: String, _ text: StaticString, firstWord: String? = nil) -> TagExtraction.Custom {
        .init(
            tag, firstWord: firstWord,
            .match { name in
                for at in name.indices where name.hasBytes(at: at, text) {
                    return .init(removed: at..<at + text.utf8CodeUnitCount, value: at..<at + text.utf8CodeUnitCount)
                }
                return nil
            })
    }

    private func extracted(_ name: String, _ configure: (inout TagExtraction) -> Void) -> String {
        var extraction = TagExtraction()
        configure(&extraction)
        var scratch = TagScratch()
        extraction.extract(Array(name.utf8).span, &scratch)
        let tags = scratch.tags.map {
            String(decoding: scratch.store[$0.name], as: UTF8.self) + "="
                + String(decoding: scratch.store[$0.value], as: UTF8.self)
        }
        return String(decoding: scratch.extracted, as: UTF8.self) + "{" + tags.joined(separator: ",") + "}"
    }

    @Test func boundOnesComeLast() {
        let text = extracted("cluster.a.upstream_rq_2xx") {
            $0.commandLine = [fixed("c", "1")]
            $0.custom = [
                cut("bound", "stream", firstWord: "cluster"), cut("free", "up"), fixed("f", "v"),
                cut("elsewhere", "up", firstWord: "http"),
            ]
        }
        #expect(
            text == "cluster._rq_xx{envoy.response_code_class=2,c=1,free=up,f=v,envoy.cluster_name=a,bound=stream}")
    }

    @Test func theFirstOfAName() {
        #expect(
            extracted(cluster) {
                $0.commandLine = [fixed("a", "cli")]
                $0.custom = [fixed("a", "x"), cut("b", "nowhere"), cut("b", "_cx"), cut("b", "_total")]
            } == "cluster.ns.svc.upstream_total{a=cli,b=_cx,envoy.cluster_name=a}")
        // A fixed value under a default's name: the default neither adds nor removes.
        #expect(
            extracted(cluster) { $0.custom = [fixed("envoy.cluster_name", "q")] }
                == "cluster.a.ns.svc.upstream_cx_total{envoy.cluster_name=q}")
        #expect(
            extracted("cluster.a.upstream_rq_2xx") { $0.custom = [fixed("envoy.response_code_class", "X")] }
                == "cluster.upstream_rq_xx{envoy.response_code_class=2,envoy.cluster_name=a}")
    }

    @Test func choicesOfDefaults() {
        #expect(extracted(cluster) { $0.defaults = .only([]) } == "cluster.a.ns.svc.upstream_cx_total{}")
        #expect(
            extracted("cluster.a.upstream_rq_2xx") { $0.defaults = .only(["cluster_name"]) }
                == "cluster.upstream_rq_2xx{envoy.cluster_name=a}")
        #expect(
            extracted("cluster.a.upstream_rq_2xx") {
                $0.defaults = .allBut(["cluster_name"])
                $0.custom = [cut("envoy.cluster_name", ".a", firstWord: "cluster")]
            } == "cluster.upstream_rq_xx{envoy.response_code_class=2,envoy.cluster_name=.a}")
    }

    @Test func workersComeFirst() {
        #expect(
            extracted("listener.1.2.3.4_5.worker_0.downstream_cx_total") { $0.commandLine = [fixed("c", "1")] }
                == "listener.worker_downstream_cx_total{envoy.worker_id=0,c=1,envoy.listener_address=1.2.3.4_5}")
        #expect(
            extracted("server.worker_1.watchdog_miss") {
                $0.defaults = .only(["worker_id"])
                $0.commandLine = [fixed("c", "1")]
            } == "server.worker_watchdog_miss{c=1,envoy.worker_id=1}")
    }

    @Test func dotsAtTheEndGo() {
        #expect(extracted("server.live") { $0.custom = [cut("t", "live")] } == "server{t=live}")
        #expect(
            extracted("server.live") { $0.custom = [cut("t", "er.")] } == "servlive{t=er}")
        #expect(extracted("a.b") { $0.custom = [cut("t", ".")] } == "ab{t=}")
    }
}
