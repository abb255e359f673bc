// What commands see of the process: read-only views of its parts, and the few things that they may ask it to do.

import Control
import Stats
import StatsStore

package final class AdminContext {
    package let server: Server
    /// `--help`'s options as they are in force, in the order of `/server_info`: name and JSON.
    package let options: [(name: String, json: String)]
    /// `<commit>/<version>/<state>/<build>/<TLS library>`.
    package let version: String
    /// `admin.profile_path`; empty: profiles are not written to any file.
    package var profilePath = ""
    /// `/stats/recentlookups/enable`.
    var tracksLookups = false

    package init(_ server: Server, options: [(name: String, json: String)], version: String) {
        self.server = server
        self.options = options
        self.version = version
    }

    var configurator: Configurator { server.configurator }
    var stats: StatRegistry { server.stats }
}
