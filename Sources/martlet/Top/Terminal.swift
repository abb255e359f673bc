// The terminal: its size, one screen of its own while `top` runs, keys without Return. What was there comes back at the end,
// however it comes.

import Glibc

enum Terminal {
    static var isTerminal: Bool { isatty(1) == 1 && isatty(0) == 1 }

    static var size: (width: Int, height: Int) {
        var window = winsize()
        guard unsafe ioctl(1, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0, window.ws_row > 0 else { return (100, 50) }
        return (Int(window.ws_col), Int(window.ws_row))
    }

    /// The other screen, no cursor, no echo. The process ends through `leave`, also by Ctrl-C and SIGTERM.
    static func enter() {
        unsafe tcgetattr(0, before)
        var raw = unsafe before.pointee
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
        unsafe tcsetattr(0, TCSANOW, &raw)
        printOut("\u{1B}[?1049h\u{1B}[?25l")
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number) { _ in
                Terminal.restore()
                _exit(0)
            }
        }
    }

    static func leave() -> Never {
        restore()
        exit(0)
    }

    private static func restore() {
        printOut("\u{1B}[?25h\u{1B}[?1049l")
        unsafe tcsetattr(0, TCSANOW, before)
    }

    /// A global `termios` of Swift lacks the padding that C writes to: three bytes of whatever lies behind it (found by
    /// the address sanitizer).
    private nonisolated(unsafe) static let before: UnsafeMutablePointer<termios> = {
        let place = UnsafeMutablePointer<termios>.allocate(capacity: 1)
        unsafe place.initialize(to: termios())
        return unsafe place
    }()

    /// From the top left corner; what was behind each line and below the last goes.
    static func show(_ lines: [String]) {
        printOut("\u{1B}[H" + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\n") + "\u{1B}[J")
    }

    /// A key within the time; nil: none.
    static func key(withinMs limit: Int32) -> UInt8? {
        var waited = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&waited, 1, limit) > 0 else { return nil }
        var byte: UInt8 = 0
        return unsafe read(0, &byte, 1) == 1 ? byte : nil
    }
}
