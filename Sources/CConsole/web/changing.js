// Which statistics change most: what the live page of statistics is sorted by. No document.

export class Changes {
  #known = new Map();

  /// `answer`: of `/stats?format=json`. Statistics by how often they changed since the page was opened, then by value, then by
  /// name; histograms stay as they came.
  received(answer) {
    const statistics = [];
    for (const { name, value } of answer.stats) {
      if (name === undefined) continue;
      const known = this.#known.get(name) ?? { name, value, changes: 0 };
      if (known.value !== value) {
        known.value = value;
        known.changes += 1;
      }
      this.#known.set(name, known);
      statistics.push(known);
    }
    statistics.sort((a, b) => b.changes - a.changes || size(b) - size(a) || (a.name < b.name ? -1 : 1));
    return { statistics, histograms: answer };
  }
}

/// Texts come behind numbers.
const size = ({ value }) => (typeof value === "number" ? value : -1);

/// What the form says; `control`: the control of a parameter. A number that is none is the usual one.
export function settings(control) {
  const number = (name, usual) => {
    const value = Number.parseInt(control(name).value, 10);
    return value > 0 ? value : usual;
  };
  const query = new URLSearchParams({ filter: control("filter").value, type: control("type").value });
  const flags = ["usedonly", "invert_filter"].map((name) => (control(name).checked ? "&" + name : "")).join("");
  // A plus is a plus to the admin: spaces need their escape.
  const target = "stats?format=json&histogram_buckets=detailed&" + query.toString().replaceAll("+", "%20") + flags;
  return { target, count: number("max-display-count", 50), seconds: number("update-interval", 5) };
}
