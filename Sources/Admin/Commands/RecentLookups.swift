// `/stats/recentlookups`: names that were looked up while requests were served.
//
// Martlet looks no name up at that time: cells are numbered when a configuration is compiled. So there is nothing to
// record, and the total is 0.

enum RecentLookups {
    static let show = AdminCommand("/stats/recentlookups", "Show recent stat-name lookups") { context, _ in
        let head =
            context.tracksLookups
            ? "   Count Lookup\n"
            : "Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n"
        return AdminResponse(head + "\ntotal: 0\n")
    }

    static let clear = AdminCommand(
        "/stats/recentlookups/clear", "clear list of stat-name lookups and counter", mutates: true
    ) { _, _ in .ok }

    static let disable = AdminCommand(
        "/stats/recentlookups/disable", "disable recording of reset stat-name lookup names", mutates: true
    ) { context, _ in
        context.tracksLookups = false
        return .ok
    }

    static let enable = AdminCommand(
        "/stats/recentlookups/enable", "enable recording of reset stat-name lookup names", mutates: true
    ) { context, _ in
        context.tracksLookups = true
        return .ok
    }
}
