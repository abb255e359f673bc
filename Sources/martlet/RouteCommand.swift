// `martlet route`: which way a request would take through a configuration, and why not another; or a file of cases.

import ArgumentParser
import Control
import EnvoyAPI
import Glibc

struct RouteCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "route",
        abstract: "Says which listener, chain, route, cluster and hosts a request would take, and why not the others.",
        discussion: """
            Nothing is served and nothing is sent: the configuration is compiled as for serving, and asked.
            With --cases, a file of requests and expectations is checked; the exit status is 1 when one is not met.
            """)

    @Option(name: [.customShort("c"), .customLong("config"), .customLong("config-path")], help: "Path of the bootstrap.")
    var config: String
    @Option(help: "Bootstrap as YAML text, merged over the file.")
    var configYaml: String?
    @Option(help: "Listener, by its name or address; needed where there are several and no port says which.")
    var listener: String?
    @Option(help: "Port that the connection goes to; the listener's own when left out.")
    var port: UInt16?
    @Option(help: "Method.")
    var method = "GET"
    @Option(help: "Host, with its port where it has one.")
    var authority = ""
    @Option(help: "Path, with its query.")
    var path = "/"
    @Option(name: [.customShort("H"), .long], help: "A header, 'name: value'; may be given again.")
    var header: [String] = []
    @Option(help: "Address that the connection comes from.")
    var source = "127.0.0.1"
    @Flag(help: "By TLS.")
    var tls = false
    @Option(help: "Server name of the TLS client.")
    var sni: String?
    @Option(help: "Protocol that the TLS client offers; may be given again.")
    var alpn: [String] = []
    @Flag(help: "The client has shown a certificate that was validated.")
    var clientCertificate = false
    @Option(help: "The request's random value, which fractions and weights go by.")
    var random: UInt64 = 0
    @Option(help: "File of requests with what is expected of them.")
    var cases: String?
    @Flag(help: "Answer in JSON.")
    var json = false

    func run() throws {
        do throws(ConfigErrors) {
            let document = try ConfigReader.read(path: config, yaml: configYaml)
            let configurator = Server.validator(filters: FilterRegistry(BuiltInFilters.all))
            let explainer = try configurator.explainer(document)
            if let cases { check(try RouteCases(path: cases), explainer) }
            let explained = explainer.explain(request)
            printOut(json ? explained.json + "\n" : explained.lines)
            withExtendedLifetime(configurator) {}
        } catch {
            if json { printOut(error.json + "\n") } else { for problem in error.errors { printError(problem.description) } }
            Glibc.exit(1)
        }
    }

    private var request: DescribedRequest {
        var request = DescribedRequest()
        request.listener = listener ?? ""
        request.port = UInt32(port ?? 0)
        request.method = method
        request.authority = authority
        request.path = path
        request.source = source
        request.tls = tls
        request.serverName = sni ?? ""
        request.applicationProtocols = alpn
        request.clientCertificate = clientCertificate
        request.random = random
        request.headers = header.map { text in
            guard let field = DescribedRequest.header(text) else { fail("error: --header '\(text)' is not 'name: value'") }
            return field
        }
        return request
    }

    private func check(_ cases: RouteCases, _ explainer: RouteExplainer) -> Never {
        let outcomes = cases.run(explainer)
        let failed = outcomes.filter { !$0.differences.isEmpty }
        if json {
            let list = Explained.list(
                outcomes.map { outcome in
                    .object([
                        .init("name", .text(outcome.name)), .init("passed", .bool(outcome.differences.isEmpty)),
                        .init("differences", .list(outcome.differences.map { .text($0) })),
                    ])
                })
            printOut(list.json + "\n")
        } else {
            for outcome in failed {
                printOut("FAILED  \(outcome.name)\n")
                for difference in outcome.differences { printOut("        \(difference)\n") }
            }
            printOut("\(outcomes.count - failed.count) of \(outcomes.count) cases passed\n")
        }
        Glibc.exit(failed.isEmpty ? 0 : 1)
    }
}
