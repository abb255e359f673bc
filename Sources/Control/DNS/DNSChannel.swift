// One c-ares channel: the servers and options of one resolver configuration.
//
// Every look-up ends with exactly one call of its `done`, perhaps before `lookUp` has returned (a name of the hosts
// file). The channel is made anew before the next look-up after a server refused to be reached (`reinits`), as Envoy
// does: its sockets may belong to an address that this machine no longer has.

import CAres
import Glibc
import Pipeline
import Primitives
import Stats

/// `typed_dns_resolver_config` with the c-ares resolver.
struct DNSResolverOptions: Hashable {
    /// `address:port`, in order; empty: /etc/resolv.conf.
    var servers: [String] = []
    var usesTCP = false
    var searchesDomains = true
    var timeoutMs: Int32 = 5000
    var tries: Int32 = 4
    var rotates = false
    var ednsBytes: Int32 = 0
    var filtersUnroutable = false
    /// 0: never.
    var channelMaxMs: UInt64 = 0
    var reinitialisesOnTimeout = false
}

enum DNSOutcome {
    /// Never empty.
    case addresses([(address: SocketAddress, ttlS: UInt64)])
    /// The name has no such records, or does not exist.
    case noRecords
    case failed
}

@safe
final class DNSChannel {
    private unowned let reactor: DNSReactor
    private let options: DNSResolverOptions
    private var channel: ares_channel?
    private var isStale = false
    private var madeAtMs: UInt64 = 0
    private var underWay = 0
    /// Calls of c-ares on the stack: its callbacks look names up, and the channel must outlive them.
    private var depth = 0
    private lazy var timer = reactor.timer { [unowned self] in timedOut() }

    init(_ reactor: DNSReactor, _ options: DNSResolverOptions) {
        self.reactor = reactor
        self.options = options
    }

    /// A look-up that c-ares has not answered yet; c-ares keeps it alive.
    private final class Query {
        let channel: DNSChannel
        let done: (DNSOutcome) -> Void
        init(_ channel: DNSChannel, _ done: @escaping (DNSOutcome) -> Void) {
            self.channel = channel
            self.done = done
        }
    }

    // MARK: Looking up

    /// All addresses of the families of a name.
    func lookUp(_ name: String, _ family: DNSFamily, done: @escaping (DNSOutcome) -> Void) {
        switch family {
        case .v4Only: query(name, AF_INET, done)
        case .v6Only: query(name, AF_INET6, done)
        case .all: query(name, AF_UNSPEC, done)
        case .auto: query(name, AF_INET6, otherwise: AF_INET, done)
        case .v4Preferred: query(name, AF_INET, otherwise: AF_INET6, done)
        }
    }

    private func query(_ name: String, _ first: Int32, otherwise second: Int32, _ done: @escaping (DNSOutcome) -> Void) {
        query(name, first) { [self] outcome in
            if case .addresses = outcome { done(outcome) } else { query(name, second, done) }
        }
    }

    private func query(_ name: String, _ family: Int32, _ done: @escaping (DNSOutcome) -> Void) {
        if options.filtersUnroutable, family != AF_UNSPEC, !Interfaces.have(family) { return done(.noRecords) }
        renewIfNeeded()
        reactor.count(.resolveTotal)
        guard let channel = unsafe channel else {
            reactor.count(.getAddrFailure)
            return done(.failed)
        }
        underWay += 1
        reactor.pending(1)
        let argument = unsafe Unmanaged.passRetained(Query(self, done)).toOpaque()
        depth += 1
        unsafe martlet_ares_look_up(channel, name, family, { argument, status, timeouts, result in
            guard let argument = unsafe argument else { return }
            let query = unsafe Unmanaged<Query>.fromOpaque(argument).takeRetainedValue()
            unsafe query.channel.answered(query, status, result)
        }, argument)
        depth -= 1
        armTimer()
    }

    private func answered(_ query: Query, _ status: Int32, _ result: UnsafeMutablePointer<ares_addrinfo>?) {
        underWay -= 1
        reactor.pending(-1)
        defer { if let result = unsafe result { unsafe ares_freeaddrinfo(result) } }
        switch status {
        case ARES_SUCCESS:
            let found = unsafe DNSChannel.addresses(result)
            query.done(found.isEmpty ? .noRecords : .addresses(found))
        case ARES_ENODATA, ARES_ENOTFOUND:
            reactor.count(.notFound)
            query.done(.noRecords)
        case ARES_ETIMEOUT:
            reactor.count(.timeouts)
            if options.reinitialisesOnTimeout { isStale = true }
            query.done(.failed)
        default:
            if status == ARES_ECONNREFUSED { isStale = true }
            reactor.count(.getAddrFailure)
            query.done(.failed)
        }
    }

    private static func addresses(_ result: UnsafeMutablePointer<ares_addrinfo>?) -> [(address: SocketAddress, ttlS: UInt64)] {
        var found: [(address: SocketAddress, ttlS: UInt64)] = []
        var node = unsafe result?.pointee.nodes
        while let entry = unsafe node {
            if let raw = unsafe entry.pointee.ai_addr {
                let address = unsafe SocketAddress(UnsafeRawPointer(raw), count: Int(entry.pointee.ai_addrlen))
                if address.family != .none, !found.contains(where: { $0.address == address }) {
                    found.append((address, unsafe UInt64(max(0, entry.pointee.ai_ttl))))
                }
            }
            unsafe node = unsafe entry.pointee.ai_next
        }
        return found
    }

    // MARK: The channel

    private func renewIfNeeded() {
        let now = reactor.worker.nowMs
        let isOld = options.channelMaxMs != 0 && now &- madeAtMs >= options.channelMaxMs
        if let old = unsafe channel {
            // Look-ups under way would be answered with a failure.
            guard isStale || isOld, underWay == 0, depth == 0 else { return }
            unsafe channel = nil
            unsafe ares_destroy(old)
            if isStale { reactor.count(.reinits) }
        }
        isStale = false
        madeAtMs = now
        var made: ares_channel?
        var flags = ARES_FLAG_STAYOPEN
        if options.usesTCP { flags |= ARES_FLAG_USEVC }
        if !options.searchesDomains { flags |= ARES_FLAG_NOSEARCH }
        if options.ednsBytes != 0 { flags |= ARES_FLAG_EDNS }
        let opaque = unsafe Unmanaged.passUnretained(self).toOpaque()
        let status = unsafe martlet_ares_create(
            &made, flags, options.timeoutMs, options.tries, options.rotates ? 1 : 0, options.ednsBytes,
            { data, descriptor, readable, writable in
                guard let data = unsafe data else { return }
                let channel = unsafe Unmanaged<DNSChannel>.fromOpaque(data).takeUnretainedValue()
                channel.reactor.socketChanged(channel, descriptor, readable: readable != 0, writable: writable != 0)
            }, opaque)
        guard status == ARES_SUCCESS else { return }
        unsafe channel = unsafe made
        if !options.servers.isEmpty { _ = unsafe ares_set_servers_ports_csv(made, options.servers.joined(separator: ",")) }
    }

    func process(_ descriptor: Int32, readable: Bool, writable: Bool) {
        guard let channel = unsafe channel else { return }
        depth += 1
        unsafe ares_process_fd(channel, readable ? descriptor : -1, writable ? descriptor : -1)
        depth -= 1
        armTimer()
    }

    private func timedOut() {
        guard let channel = unsafe channel else { return }
        depth += 1
        unsafe ares_process_fd(channel, -1, -1)
        depth -= 1
        armTimer()
    }

    private func armTimer() {
        guard let channel = unsafe channel else { return }
        let wait = unsafe martlet_ares_timeout_ms(channel)
        if wait < 0 { timer.cancel() } else { timer.arm(afterMs: UInt64(wait)) }
    }
}

/// Whether this machine has an address of a family, loopback aside: `filter_unroutable_families`.
private enum Interfaces {
    static func have(_ family: Int32) -> Bool {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return true }
        defer { unsafe freeifaddrs(list) }
        var entry = unsafe list
        while let interface = unsafe entry {
            if let address = unsafe interface.pointee.ifa_addr, unsafe Int32(address.pointee.sa_family) == family,
                unsafe interface.pointee.ifa_flags & UInt32(truncatingIfNeeded: IFF_LOOPBACK) == 0
            {
                return true
            }
            unsafe entry = unsafe interface.pointee.ifa_next
        }
        return false
    }
}
