// Numbers and times as people read them: always with their unit, which stays on their line (U+00A0).

const oneDigit = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const noDigit = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value >= 1e9) return oneDigit.format(value / 1e9) + "\u00a0G";
  if (value >= 1e6) return oneDigit.format(value / 1e6) + "\u00a0M";
  if (value >= 1e5) return oneDigit.format(value / 1e3) + "\u00a0k";
  return value >= 100 || Number.isInteger(value) ? noDigit.format(value) : oneDigit.format(value);
}

export function whole(value) {
  return value === null || value === undefined ? "–" : noDigit.format(value);
}

export function rate(value) {
  return value === null || value === undefined ? "–" : number(value) + "/s";
}

export function percent(share) {
  if (share === null || share === undefined || Number.isNaN(share)) return "–";
  const value = share * 100;
  if (value > 0 && value < 0.1) return "<\u00a00.1\u00a0%";
  return (value >= 10 ? noDigit : oneDigit).format(value) + "\u00a0%";
}

export function milliseconds(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value >= 60000) return oneDigit.format(value / 60000) + "\u00a0min";
  if (value >= 1000) return oneDigit.format(value / 1000) + "\u00a0s";
  return (value >= 100 ? noDigit : oneDigit).format(value) + "\u00a0ms";
}

export function bytes(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return (unit === 0 || value >= 100 ? noDigit : oneDigit).format(value) + "\u00a0" + units[unit];
}

export function byteRate(value) {
  return value === null || value === undefined ? "–" : bytes(value) + "/s";
}

/// Seconds: `2 d 4 h`, `3 min 5 s`.
export function duration(seconds) {
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  let left = Math.max(0, Math.floor(seconds));
  const words = [];
  for (const [unit, size] of parts) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) words.push(`${count}\u00a0${unit}`);
  }
  return words.length === 0 ? "0\u00a0s" : words.slice(0, 2).join(" ");
}

/// `12:03:10`, with the day before it when that is another one.
export function time(ms, nowMs = Date.now()) {
  const at = new Date(ms);
  const clock = at.toLocaleTimeString("en-GB");
  return at.toDateString() === new Date(nowMs).toDateString() ? clock : at.toISOString().slice(0, 10) + " " + clock;
}

export function count(value, one, many = one + "s") {
  return `${whole(value)} ${value === 1 ? one : many}`;
}
