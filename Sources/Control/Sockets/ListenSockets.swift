// Listening sockets, kept by main across updates: a listener that keeps its address keeps its sockets, and with them
// every connection that waits in their queues.
//
// An address that nobody lists any more is shut first (`martlet_listen_shut`): the workers still take what has arrived,
// nothing new arrives, and only then is the socket closed. Closing it at once would reset every connection that waits.

import CLiburing
import Glibc
import Pipeline
import Primitives

/// The sockets of one address, one per worker or one for all; closed when the last listener part that uses them is gone.
final class ListenSocketGroup {
    let address: SocketAddress
    /// The address with the port that the system chose, where port 0 was asked for.
    let bound: SocketAddress
    let descriptors: [Int32]
    private(set) var isShut = false
    private var settings: [Setting]
    private var uses = 0
    private let closed: (ListenSocketGroup) -> Void

    init(
        _ address: SocketAddress, workers: Int, _ options: ListenOptions, closed: @escaping (ListenSocketGroup) -> Void
    ) throws(ListenError) {
        self.address = address
        descriptors = try ListenSocket.open(address, workers: workers, options)
        settings = ListenSocketGroup.copied(options.settings)
        bound = address.family == .unix ? address : SocketAddress(localOf: descriptors[0])
        self.closed = closed
    }

    func retain() { uses += 1 }

    func release() {
        uses -= 1
        guard uses == 0 else { return }
        for descriptor in descriptors { Glibc.close(descriptor) }
        closed(self)
    }

    /// No new connection gets in. A socket of the abstract namespace stays open until it is closed: it could not be
    /// opened again under its name.
    func shut(forGood: Bool) {
        let isUnix = address.family == .unix
        guard !isShut, forGood || !isUnix || !address.isAbstract else { return }
        isShut = true
        for descriptor in descriptors { _ = martlet_listen_shut(descriptor, isUnix ? 1 : 0) }
    }

    /// What a newer configuration says of sockets that are open: options that are new or have another value are set. Whether
    /// workers share one, and Multipath TCP, stay as they were, and so does what is no longer said. An option that the
    /// system refuses leaves all as it was.
    func adopt(_ newer: FrozenArray<SocketSetting>) throws(ListenError) -> Change {
        let wanted = ListenSocketGroup.copied(newer)
        var change = Change(group: self, settings: settings, values: [])
        for i in 0..<newer.count where !settings.contains(wanted[i]) {
            for descriptor in descriptors {
                if let value = before(wanted[i], descriptor) { change.values.append((descriptor, value)) }
                guard newer[i].set(descriptor) else {
                    let error = errno
                    change.undo()
                    throw .option(address, level: newer[i].level, name: newer[i].name, error)
                }
            }
        }
        settings = wanted
        return change
    }

    /// What a socket's option is ahead of a change: as a configuration said it, which is not always what the kernel answers
    /// (it doubles the sizes of buffers), or as the kernel has it.
    private func before(_ wanted: Setting, _ descriptor: Int32) -> Setting? {
        settings.last { $0.level == wanted.level && $0.name == wanted.name } ?? wanted.current(descriptor)
    }

    /// What `adopt` did to a group, as long as the configuration that asked for it may still be refused.
    struct Change {
        fileprivate let group: ListenSocketGroup
        fileprivate let settings: [Setting]
        fileprivate var values: [(descriptor: Int32, setting: Setting)]

        /// The last change first, so that an option that was set twice gets its first value. The kernel took these values
        /// once; one that it refuses now stays.
        func undo() {
            for (descriptor, setting) in values.reversed() { setting.set(descriptor) }
            group.settings = settings
        }
    }

    private static func copied(_ settings: FrozenArray<SocketSetting>) -> [Setting] {
        (0..<settings.count).map { Setting(settings[$0]) }
    }

    /// A setting that was made, in memory of its own: that of the configuration which brought it goes with it.
    fileprivate struct Setting: Equatable {
        let level: Int32
        let name: Int32
        let value: [UInt8]

        init(_ setting: SocketSetting) {
            level = setting.level
            name = setting.name
            value = (0..<setting.value.count).map { setting.value[$0] }
        }

        private init(level: Int32, name: Int32, value: [UInt8]) {
            (self.level, self.name, self.value) = (level, name, value)
        }

        /// The same option as the kernel has it. nil where it does not say.
        func current(_ descriptor: Int32) -> Setting? {
            var bytes = [UInt8](repeating: 0, count: max(value.count, 4))
            var count = socklen_t(bytes.count)
            guard unsafe getsockopt(descriptor, level, name, &bytes, &count) == 0 else { return nil }
            if level == SOL_SOCKET, name == SO_RCVBUF || name == SO_SNDBUF {
                // Twice what was asked for: half of it is for the kernel's own use.
                let asked = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Int32.self) } / 2
                bytes = unsafe withUnsafeBytes(of: asked) { unsafe Array($0) }
            }
            return Setting(level: level, name: name, value: Array(bytes.prefix(Int(count))))
        }

        func set(_ descriptor: Int32) {
            _ = unsafe value.withUnsafeBytes { unsafe setsockopt(descriptor, level, name, $0.baseAddress, socklen_t($0.count)) }
        }
    }

    /// Listed again before it was closed. False when that cannot be.
    func reopen() -> Bool {
        guard isShut else { return true }
        guard address.family != .unix else { return false }
        for descriptor in descriptors { _ = martlet_listen_open(descriptor, 0) }
        isShut = false
        return true
    }
}

final class ListenSockets {
    private var groups: [String: ListenSocketGroup] = [:]
    private let workers: Int

    init(workers: Int) { self.workers = workers }

    /// Addresses that are open.
    var count: Int { groups.count }

    /// The sockets of an address, opened with `options` when nobody has them yet; those that are open are as they were until
    /// `adopt`. Each call needs a `release` of the group.
    func acquire(_ address: SocketAddress, _ options: ListenOptions) throws(ListenError) -> ListenSocketGroup {
        let key = "\(address)"
        if let group = groups[key], group.reopen() {
            group.retain()
            return group
        }
        let group = try ListenSocketGroup(address, workers: workers, options) { [weak self] group in
            if self?.groups[key] === group { self?.groups[key] = nil }
        }
        group.retain()
        groups[key] = group
        return group
    }

    /// Shuts every address that is not in `listed`.
    func shutAll(but listed: [ListenSocketGroup], forGood: Bool) {
        for group in groups.values where !listed.contains(where: { $0 === group }) { group.shut(forGood: forGood) }
    }
}
