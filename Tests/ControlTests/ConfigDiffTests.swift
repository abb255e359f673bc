import Control
import Testing

/// How a changed message is told, from its printed forms.
struct ConfigDiffTests {
    private let old = """
        {
         "name": "payments",
         "connect_timeout": "1s",
         "lb_endpoints": [
          {
           "port": 1
          },
          {
           "port": 2
          }
         ],
         "filters": [
          {
           "name": "buffer",
           "max": 5
          }
         ],
         "tags": [
          "a",
          "b"
         ]
        }
        """

    @Test
    func nothingChanged() { #expect(ConfigDiff.lines(old, old) == []) }

    @Test
    func fieldsAreNamedWithTheirPlace() {
        var new = old.replacing(text: "\"1s\"", by: "\"2s\"").replacing(text: "\"port\": 2", by: "\"port\": 3")
        new = new.replacing(text: "\"max\": 5", by: "\"max\": 6").replacing(text: "\"b\"", by: "\"b: c\"")
        #expect(
            ConfigDiff.lines(old, new) == [
                "connect_timeout: 1s → 2s", "lb_endpoints[1].port: 2 → 3", "filters[buffer].max: 5 → 6", "tags[1]: b → b: c",
            ])
    }

    @Test
    func whatComesAndGoes() {
        let new = old.replacing(text: ",\n \"tags\": [\n  \"a\",\n  \"b\"\n ]", by: "").replacing(text: "\"connect_timeout\": \"1s\"", by: "\"connect_timeout\": \"1s\",\n \"alt\": true")
        #expect(ConfigDiff.lines(old, new) == ["alt: added true", "tags[0]: removed (was a)", "tags[1]: removed (was b)"])
    }

    @Test
    func longValuesAreCutAndOddKeysSurvive() {
        let long = String(repeating: "x", count: 500)
        let lines = ConfigDiff.lines("{\n \"a\": \"1\"\n}", "{\n \"a\": \"\(long)\",\n \"q\\\"k\": 1\n}")
        #expect(lines.count == 2 && lines[0].count < 150 && lines[1] == "q\\\"k: added 1")
        #expect(ConfigDiff.lines("{}", "{}") == [])
    }
}

extension String {
    fileprivate func replacing(text: String, by other: String) -> String {
        var result = ""
        var at = startIndex
        while at != endIndex {
            if self[at...].hasPrefix(text) {
                result += other
                at = index(at, offsetBy: text.count)
            } else {
                result.append(self[at])
                at = index(after: at)
            }
        }
        return result
    }
}
