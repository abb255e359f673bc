import Glibc
import Stats
import Testing

func file(_ path: String) -> String {
    let f = unsafe fopen(path, "r")!
    var out: [UInt8] = []
    while true { let c = unsafe fgetc(f); if c < 0 { break }; out.append(UInt8(c)) }
    unsafe fclose(f)
    return String(decoding: out, as: UTF8.self)
}
func put(_ path: String, _ s: String) {
    let f = unsafe fopen(path, "w")!
    unsafe fputs(s, f)
    unsafe fclose(f)
}

@Test func dev() {
    let d = "/tmp/stats-oracle/fx/"
    var set = RecordedSet()
    for c in ["cluster.up.", "cluster.odd_name.with/chars."] {
        set.add(c, ClusterStat.self); set.add(c, ClusterControlStat.self)
    }
    set.add("http.ingress.", HTTPConnectionManagerStat.self)
    set.add("http.ingress.", RouterStat.self)
    set.add("http.ingress.tracing.", HTTPTracingStat.self)
    set.add("http.async-client.", RouterStat.self)
    for l in ["127.0.0.1:19932", "127.0.0.1:19933"] {
        set.add(StatPrefix.listener(l), ListenerStat.self)
        set.add(StatPrefix.listenerWorker(l, worker: 0), ListenerWorkerStat.self)
    }
    set.add(StatPrefix.listenerHTTP("127.0.0.1:19932", statPrefix: "ingress"), ListenerHTTPStat.self)
    set.add("vhost.vh.vcluster.api.", VirtualClusterStat.self)
    set.add("vhost.vh.vcluster.other.", VirtualClusterStat.self)
    set.add("tcp.tcpin.", TCPProxyStat.self)
    set.fill(text: file(d + "text.txt"), usedOnly: file(d + "usedonly.txt"), detailed: file(d + "detailed.txt"))
    let o = "/tmp/stats-oracle/ours/"
    put(o + "text.txt", set.render { _ in })
    put(o + "usedonly.txt", set.render { $0.usedOnly = true })
    put(o + "text.json", set.render { $0.format = .json })
    for (n, m) in [("cumulative", StatsQuery.Buckets.cumulative), ("disjoint", .disjoint), ("detailed", .detailed)] {
        put(o + n + ".txt", set.render { $0.buckets = m; $0.types = .histograms })
        put(o + n + ".json", set.render { $0.buckets = m; $0.types = .histograms; $0.format = .json })
    }
    put(o + "prom.txt", set.render { $0.format = .prometheus })
    put(o + "promsummary.txt", set.render { $0.format = .prometheus; $0.buckets = .summary })
    put(o + "promused.txt", set.render { $0.format = .prometheus; $0.usedOnly = true })
}
