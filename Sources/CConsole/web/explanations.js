// What each statistic means: `statistics.txt`, a line for each name that Martlet has, looked up by full names. Pure but for
// `load`.
//
// The file: `[prefix] schema`, then lines `leaf | unit | explanation`. A star in a prefix stands for one name or more; a
// leaf that ends in a star is a family (response codes).

export async function load() {
  const answer = await fetch("console/statistics.txt");
  return parse(await answer.text());
}

/// `[{prefix, leaf, unit, text, pattern}]`.
export function parse(file) {
  const entries = [];
  let prefix = "";
  for (const line of file.split("\n")) {
    const section = /^\[(.*)\]/.exec(line);
    if (section) {
      prefix = section[1];
    } else if (line.includes(" | ") && !line.startsWith("#")) {
      const [leaf, unit, ...text] = line.split(" | ");
      entries.push({ prefix, leaf, unit, text: text.join(" | "), pattern: pattern(prefix, leaf) });
    }
  }
  return entries;
}

function pattern(prefix, leaf) {
  const quoted = (text) => text.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  const end = leaf.endsWith("*") ? quoted(leaf.slice(0, -1)) + "(?:\\d+|\\dxx|completed|unknown)" : quoted(leaf);
  return new RegExp("^" + quoted(prefix).replaceAll("*", ".+?") + end + "$");
}

/// The entry for a full name: the one whose prefix says most.
export function explain(entries, name) {
  const last = name.slice(name.lastIndexOf(".") + 1);
  let best = null;
  for (const entry of entries) {
    const end = entry.leaf.slice(entry.leaf.lastIndexOf(".") + 1);
    const isLikely = end === "" || (end.endsWith("*") ? last.startsWith(end.slice(0, -1)) : last === end);
    if (isLikely && (best === null || weight(entry) > weight(best)) && entry.pattern.test(name)) best = entry;
  }
  return best;
}

function weight(entry) {
  return entry.prefix.replaceAll("*", "").length + entry.leaf.length;
}

/// Words that are looked for, in names and explanations: every one of them must be there.
export function words(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

/// Entries whose name or explanation has all the words.
export function found(entries, text) {
  const wanted = words(text);
  return entries.filter((entry) => {
    const all = `${entry.prefix}${entry.leaf} ${entry.text}`.toLowerCase();
    return wanted.every((word) => all.includes(word));
  });
}

/// A regular expression (RE2) for the names that the admin is asked for: those that have the words themselves, and those
/// whose explanation has them.
export function filter(entries, text) {
  const quoted = (word) => word.replace(/[.+*?^${}()|[\]\\]/g, "\\$&");
  const wanted = words(text).map(quoted);
  const names = permutations(wanted).map((order) => order.join(".*"));
  const leaves = found(entries, text).slice(0, 60).map((entry) => {
    const prefix = entry.prefix.split("*").map(quoted).join(".+");
    return `^${prefix}${quoted(entry.leaf).replace(/\\\*$/, "[0-9a-z]+")}$`;
  });
  return "(?i)" + [...names, ...leaves].join("|");
}

/// In every order: words stand in a name in an order that nobody remembers. Of more than three words only as they are.
function permutations(list) {
  if (list.length > 3) return [list];
  if (list.length <= 1) return [list];
  return list.flatMap((one, i) => permutations([...list.slice(0, i), ...list.slice(i + 1)]).map((rest) => [one, ...rest]));
}
