// `martlet top`: the live view of an admin interface in a terminal.

import ArgumentParser
import Glibc

struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Shows traffic, errors, latency and hosts of a running Martlet, read from its admin interface.",
        discussion: "q or Ctrl-C ends it. Latency is that of the last five seconds.")

    @Argument(help: "Address of the admin interface: ip:port, or the path of its UNIX socket.")
    var address = "127.0.0.1:9901"
    @Option(help: "Seconds between two frames.")
    var interval = 2.0
    @Flag(help: "Print one frame and exit: the rates of one interval.")
    var once = false
    @Flag(help: "Frames as JSON, one a line.")
    var json = false
    @Flag(help: "No colours. So does NO_COLOR in the environment.")
    var noColor = false

    func validate() throws {
        if !(0.1...3600).contains(interval) { throw ValidationError("--interval is not between 0.1 and 3600 seconds") }
    }

    func run() throws {
        guard let client = AdminClient(address) else { fail("error: '\(address)' is not ip:port, nor the path of a socket") }
        do throws(AdminClient.Failure) {
            if json || once || !Terminal.isTerminal { try printed(client) } else { try interactive(client) }
        } catch {
            fail("martlet top: \(error.text)")
        }
    }

    /// Without a terminal: frame after frame, or one.
    private func printed(_ client: AdminClient) throws(AdminClient.Failure) {
        var before = try TopSample(client)
        repeat {
            usleep(useconds_t(interval * 1_000_000))
            let sample = try TopSample(client)
            let frame = TopFrame(before, sample, address: address)
            if json {
                printOut(frame.json + "\n")
            } else {
                let size = Terminal.size
                let isWide = isatty(1) == 1
                let text = TopText(width: isWide ? size.width : 120, height: isWide ? size.height : 1000, isColoured: isWide && isColoured)
                printOut(text.lines(frame).joined(separator: "\n") + "\n")
            }
            before = sample
        } while !once
    }

    /// A frame per interval, another one as soon as the window has another size. An admin that does not answer is asked
    /// again; what was known stays on the screen.
    private func interactive(_ client: AdminClient) throws(AdminClient.Failure) {
        var before = try TopSample(client)
        var frame = TopFrame(before, before, address: address)
        Terminal.enter()
        var trouble = ""
        while true {
            draw(frame, trouble)
            wait(frame, trouble)
            do throws(AdminClient.Failure) {
                let sample = try TopSample(client)
                frame = TopFrame(before, sample, address: address)
                before = sample
                trouble = ""
            } catch {
                trouble = error.text
            }
        }
    }

    private func wait(_ frame: TopFrame, _ trouble: String) {
        var size = Terminal.size
        var leftMs = Int(interval * 1000)
        while leftMs > 0 {
            let step = min(100, leftMs)
            if let key = Terminal.key(withinMs: Int32(step)), key == UInt8(ascii: "q") || key == 3 { Terminal.leave() }
            leftMs -= step
            if Terminal.size != size {
                size = Terminal.size
                draw(frame, trouble)
            }
        }
    }

    private func draw(_ frame: TopFrame, _ trouble: String) {
        let size = Terminal.size
        var lines = TopText(width: size.width, height: size.height, isColoured: isColoured).lines(frame)
        if !trouble.isEmpty { lines = [String(TopText.printable("no answer: \(trouble)").prefix(size.width))] + lines.prefix(size.height - 1) }
        Terminal.show(lines)
    }

    private var isColoured: Bool { unsafe !noColor && getenv("NO_COLOR") == nil }
}
