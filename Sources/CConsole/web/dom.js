// Elements without strings of HTML: what comes from the admin is text, never markup.

const svgSpace = "http://www.w3.org/2000/svg";

/// `h("button", { class: "plain", onclick: f }, "text", child)`. Falsy children are left out.
export function h(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return filled(document.createElementNS(svgSpace, tag), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== "") element.append(child);
  }
  return element;
}

export function replace(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

/// Changes the text only where it is another one, so that a selection and a screen reader are left alone.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const marks = { healthy: "●", degraded: "▲", ejected: "◆", unhealthy: "■", none: "○" };

/// Health by colour, by shape and in words.
export function healthMark(health, words = health) {
  return h("span", { class: "health " + health, role: "img", "aria-label": words, title: words }, marks[health] ?? "○");
}

export function placeholder(text) {
  return h("p", { class: "placeholder" }, text);
}

/// Fills `element` anew and gives the focus back to what had it, by `data-key`; lists keep how far they were scrolled.
export function refill(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const scrolled = new Map([...element.querySelectorAll(".scroller")].map((one) => [one.getAttribute("aria-label"), one.scrollLeft]));
  replace(element, ...children);
  for (const one of element.querySelectorAll(".scroller")) one.scrollLeft = scrolled.get(one.getAttribute("aria-label")) ?? 0;
  if (focused !== undefined) element.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}
