import Pipeline
import Primitives
import Stats
import Upstream
import Glibc
let port = UInt16(CommandLine.arguments[1])!, up = UInt16(CommandLine.arguments[2])!
let registry = StatRegistry(workers: 1)
let arena = FrozenArena()
var cc = ClusterConfig(); cc.name = arena.text("up"); cc.part = 1
cc.stats = registry.scope("cluster.up.", ClusterStat.self).base
cc.defaultLimits.connections = 100000
var hc = HostConfig(); hc.address = SocketAddress(ip: "127.0.0.1", port: up)!
hc.stats = registry.scope("host.", HostStat.self).base
let set = arena.store(HostSet.build([hc], version: 1, in: arena))
var tp = TCPProxyConfig(); tp.stats = registry.scope("tcp.x.", TCPProxyStat.self).base
tp.clusters = arena.array([WeightedCluster(slot: 0, cumulativeWeight: 1)])
var lc = ListenerConfig(); lc.stats = registry.scope("listener.x.", ListenerStat.self).base
lc.workerStats = arena.array([registry.scope("listener.x.worker_0.", ListenerWorkerStat.self).base])
var la = ListenAddress(); la.address = SocketAddress(ip: "127.0.0.1", port: port)!
la.sockets = arena.array(try! ListenSocket.open(la.address, workers: 1, backlog: 4096))
lc.addresses = arena.array([la]); lc.chain = .tcpProxy(arena.store(tp))
lc.part = 2
var plan = Plan(); plan.version = 1
plan.clusters = arena.array([ClusterSlot(part: 1, config: arena.store(cc), hosts: set)])
plan.clusterPresent = arena.array([true])
plan.listeners = arena.array([ListenerSlot(part: 2, config: arena.store(lc))])
let box = Mailbox(); box.publish(arena.store(plan))
let worker = try! Worker(options: WorkerOptions(), mailbox: box, cells: registry.cells(worker: 0))
worker.lookAtPlanNow()
worker.run()
