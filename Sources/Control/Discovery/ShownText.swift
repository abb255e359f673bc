// Text of a management server as it stands in the log, in statistics and in answers: short, and on one line.

enum ShownText {
    /// `docs/limits.md`.
    static let bytesMax = 512

    static func of(_ text: String) -> String {
        var shown = ""
        for scalar in text.unicodeScalars {
            guard shown.utf8.count < bytesMax else { return shown + "…" }
            if scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) {
                shown += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }
}
