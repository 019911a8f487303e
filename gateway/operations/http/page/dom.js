// Elements made of text, and the way to bring what is shown up to date without replacing it: a text that somebody has
// selected, an open record and the focus stay where they are. Text from peers is only ever set as text.

function create(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element with these attributes and children; texts become text nodes, which no markup in them survives. */
export function make(name, attributes = {}, ...children) {
  return create(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function draw(name, attributes = {}, ...children) {
  return create(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

/** Makes the children of a place equal to those that are wanted, changing only what differs. */
export function show(place, ...wanted) {
  const named = new Map([...place.childNodes].filter((each) => each.dataset?.key).map((each) => [each.dataset.key, each]));
  let at = place.firstChild;
  for (const child of wanted.flat().filter(Boolean)) {
    const key = child.dataset?.key;
    let old = key ? named.get(key) : at;
    if (key && old && old !== at) place.insertBefore(old, at);
    if (!old || old.nodeName !== child.nodeName || (old.dataset?.key ?? "") !== (key ?? "")) {
      place.insertBefore(child, at);
      continue;
    }
    at = old.nextSibling;
    equal(old, child);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function equal(old, wanted) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== wanted.data) old.data = wanted.data;
    return;
  }
  // Whether a record is open is for the reader to say, once it is there.
  for (const { name, value } of [...wanted.attributes]) if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (name !== "open" && !wanted.hasAttribute(name)) old.removeAttribute(name);
  show(old, ...wanted.childNodes);
}
