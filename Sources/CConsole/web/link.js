// The addresses of pages, behind the #: `#overview/cluster:50%25-canary`. Pure.

/// `{page, rest}`; `rest` is undefined where there is none. A name with a % that is no escape is taken as it stands: whoever typed it
/// gets a page.
export function linked(hash) {
  const [page, ...rest] = hash.replace(/^#/, "").split("/");
  return { page, rest: rest.length > 0 ? decoded(rest.join("/")) : undefined };
}

/// `rest` may be any name of the configuration.
export function link(page, rest) {
  return `#${page}/${encodeURIComponent(rest)}`;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
