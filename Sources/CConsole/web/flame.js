// `/profile`: reads `/profile?format=json`, builds the tree of the chosen thread, draws what is wider than half a pixel.
// No library, nothing from elsewhere; names are only ever set as text.
"use strict";
const $ = id => document.getElementById(id);
const state = { data: null, root: null, zoom: null, search: null, problem: "" };
const rowHeight = 18;

function amount(value) {
  if (!state.data) return "";
  if (state.data.unit === "bytes") {
    const steps = ["B", "KiB", "MiB", "GiB"]; let i = 0;
    while (value >= 1024 && i < 3) { value /= 1024; i++; }
    return value.toFixed(i ? 1 : 0) + " " + steps[i];
  }
  const ms = value / 1e6;
  return ms >= 1000 ? (ms / 1000).toFixed(2) + " s" : ms.toFixed(0) + " ms";
}
const share = (part, whole) => whole ? (100 * part / whole).toFixed(1) + " %" : "0 %";

function kindOf(index) {
  const f = state.data.functions[index];
  if (!f) return "library";
  if (f[0].startsWith("[kernel]")) return "kernel";
  if (f[1] !== 0) return "library";
  return /^(swift_|_swift|Swift\.|swift::|std::|operator |void std)/.test(f[0]) ? "runtime" : "own";
}
// The module in front is in the tooltip.
const short = name => name.replace(/^((?:closure #\d+ in )?)[A-Z]\w*\.(?=[A-Z(])/, "$1");
const nameOf = index => (state.data.functions[index] || ["?"])[0];

function node(key, name, kind, parent) { return { key, name, kind, parent, value: 0, self: 0, count: 0, children: new Map() }; }

function build() {
  const d = state.data, wanted = $("thread").value, inverted = $("invert").checked;
  const root = node(-1, "all", "root", null);
  for (const s of d.stacks) {
    if (wanted !== "" && s[0] !== Number(wanted)) continue;
    let at = root; root.value += s[2]; root.count += s[1];
    const frames = s.slice(3);
    if (inverted) frames.reverse();
    else if (wanted === "" && d.threads.length > 1) at = step(at, "t" + s[0], d.threads[s[0]], "root", s);
    for (const f of frames) at = step(at, f, nameOf(f), kindOf(f), s);
    at.self += s[2];
  }
  state.root = root;
  state.zoom = root;
}
function step(at, key, name, kind, s) {
  let next = at.children.get(key);
  if (!next) { next = node(key, name, kind, at); at.children.set(key, next); }
  next.value += s[2]; next.count += s[1];
  return next;
}

function matcher() {
  const text = $("search").value.trim();
  if (!text) return null;
  if (text.length > 2 && text.startsWith("/") && text.endsWith("/")) {
    try { const r = new RegExp(text.slice(1, -1), "i"); return n => r.test(n); } catch (e) { return null; }
  }
  const low = text.toLowerCase();
  return n => n.toLowerCase().includes(low);
}

function draw() {
  const graph = $("graph"), width = graph.clientWidth;
  const fragment = document.createDocumentFragment();
  let rows = 0, found = 0;
  const search = matcher();
  const place = (n, x, scale, row, inFound) => {
    const w = n.value * scale;
    if (w < .5) return;
    rows = Math.max(rows, row + 1);
    const div = document.createElement("div");
    const hit = search && search(n.name);
    if (hit && !inFound) found += n.value;
    div.className = "frame " + n.kind + (w < 24 ? " tiny" : "") + (hit ? " found" : search ? " dim" : "");
    div.style.left = x + "px"; div.style.top = row * rowHeight + "px"; div.style.width = Math.max(w, 1) + "px";
    if (w >= 24) div.textContent = short(n.name);
    div.title = n.name;
    div.frame = n;
    fragment.append(div);
    let at = x;
    for (const c of [...n.children.values()].sort((a, b) => b.value - a.value)) {
      place(c, at, scale, row + 1, inFound || hit);
      at += c.value * scale;
    }
  };
  const top = state.zoom;
  if (top && top.value > 0) place(top, 0, width / top.value, 0, false);
  graph.replaceChildren(fragment);
  graph.style.height = Math.max(rows * rowHeight + 2, 64) + "px";
  drawPath();
  $("detail").textContent = search && top ? "found in " + share(found, top.value) + " of what is shown" : "";
}

function drawPath() {
  const items = [];
  for (let n = state.zoom && state.zoom.parent; n; n = n.parent) items.unshift(n);
  $("path").replaceChildren(...items.map(n => {
    const b = document.createElement("button");
    b.type = "button"; b.textContent = short(n.name); b.title = n.name;
    b.addEventListener("click", () => zoomTo(n));
    return b;
  }));
}
function zoomTo(n) { state.zoom = n; draw(); }

function drawTop() {
  const totals = new Map(), d = state.data, wanted = $("thread").value;
  let whole = 0;
  for (const s of d.stacks) {
    if (wanted !== "" && s[0] !== Number(wanted)) continue;
    whole += s[2];
    const frames = s.slice(3);
    for (const f of new Set(frames)) {
      const t = totals.get(f) || [0, 0]; t[1] += s[2]; totals.set(f, t);
    }
    if (frames.length) totals.get(frames[frames.length - 1])[0] += s[2];
  }
  const rows = [...totals].sort((a, b) => b[1][0] - a[1][0]).slice(0, 25).map(([f, t]) => {
    const tr = document.createElement("tr");
    const name = document.createElement("td"); name.textContent = name.title = nameOf(f);
    const cells = t.map(v => { const td = document.createElement("td"); td.className = "n"; td.textContent = amount(v) + "  " + share(v, whole); return td; });
    tr.append(name, ...cells);
    tr.addEventListener("click", () => { $("search").value = nameOf(f); draw(); window.scrollTo(0, 0); });
    return tr;
  });
  document.querySelector("#top tbody").replaceChildren(...rows);
}

function show() {
  const d = state.data;
  const summary = $("summary");
  summary.classList.toggle("bad", !d);
  if (!d) { state.root = state.zoom = null; draw(); document.querySelector("#top tbody").replaceChildren(); summary.textContent = state.problem; return; }
  const keep = $("thread").value;
  const order = d.threads.map((_, i) => i).sort((a, b) => d.threads[a].localeCompare(d.threads[b], undefined, { numeric: true }));
  const totals = d.threads.map((_, i) => d.stacks.reduce((n, s) => n + (s[0] === i ? s[2] : 0), 0));
  const all = totals.reduce((a, b) => a + b, 0);
  const option = (value, text) => { const o = document.createElement("option"); o.value = value; o.textContent = text; return o; };
  $("thread").replaceChildren(option("", "all"), ...order.map(i => option(String(i), d.threads[i] + " · " + amount(totals[i]))));
  if ([...$("thread").options].some(o => o.value === keep)) $("thread").value = keep;
  const samples = d.stacks.reduce((n, s) => n + s[1], 0);
  summary.textContent = (d.running ? "running: " : "") + amount(all) + " in " + samples + (d.unit === "bytes" ? " sampled objects" : " samples")
    + ", " + (d.duration_ms / 1000).toFixed(1) + " s from " + new Date(d.began_ms).toLocaleTimeString()
    + (d.unit === "bytes" ? "" : ", " + Math.round(1e9 / d.period) + " Hz") + (d.lost ? ", " + d.lost + " lost" : "");
  build(); draw(); drawTop();
}

/// What changes something needs the token, where there is one (`--admin-token-file`); it is kept by this page alone.
async function post(url) {
  const token = $("token").value.trim();
  const answer = await fetch(url, { method: "POST", cache: "no-store", headers: token === "" ? {} : { authorization: `Bearer ${token}` } });
  if (answer.status === 401) $("who").hidden = false;
  return answer;
}
async function ask(url, begins = false) {
  busy(true);
  try {
    const answer = begins ? await post(url) : await fetch(url, { cache: "no-store" });
    if (answer.ok) { state.data = await answer.json(); }
    else { state.data = null; state.problem = (await answer.text()).trim(); }
  } catch (e) { state.data = null; state.problem = "the admin interface did not answer: " + e.message; }
  busy(false);
  show();
}
function busy(on) { for (const b of document.querySelectorAll(".buttons button")) b.disabled = on; document.body.setAttribute("aria-busy", on); }
const load = () => ask("profile?format=json&kind=" + $("kind").value);
async function command(path) {
  const answer = await post(path);
  if (!answer.ok) { state.data = null; state.problem = (await answer.text()).trim(); show(); return false; }
  return true;
}
const switches = { cpu: "cpuprofiler", alloc: "allocprofiler", heap: "heapprofiler", peak: "heapprofiler" };

$("kind").addEventListener("change", () => { $("take").hidden = $("kind").value !== "cpu"; load(); });
$("thread").addEventListener("change", () => { build(); draw(); drawTop(); });
$("invert").addEventListener("change", () => { if (state.data) { build(); draw(); } });
$("search").addEventListener("input", draw);
$("who").addEventListener("submit", (event) => event.preventDefault());
$("take").addEventListener("click", () => { $("summary").textContent = "profiling for 5 s…"; ask("profile?format=json&seconds=5", true); });
$("start").addEventListener("click", async () => { if (await command(switches[$("kind").value] + "?enable=y")) setTimeout(load, 1000); });
$("stop").addEventListener("click", async () => { if (await command(switches[$("kind").value] + "?enable=n")) load(); });
$("reload").addEventListener("click", load);
$("graph").addEventListener("click", e => { if (e.target.frame) zoomTo(e.target.frame === state.zoom && state.zoom.parent ? state.zoom.parent : e.target.frame); });
$("graph").addEventListener("mousemove", e => {
  const n = e.target.frame;
  if (n) $("detail").textContent = n.name + " — " + amount(n.value) + ", " + share(n.value, state.root.value) + " of all, self " + amount(n.self);
});
document.addEventListener("keydown", e => { if (e.key === "Escape" && state.root) { $("search").value = ""; zoomTo(state.root); } });
let pending = 0;
window.addEventListener("resize", () => { cancelAnimationFrame(pending); pending = requestAnimationFrame(() => state.data && draw()); });
load();
