// Numbers and times in words, and elements made of text. Text from peers is only ever set as text.

/** An element with these attributes and children; texts become text nodes, which no markup in them survives. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** The same for SVG. */
export function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function duration(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const [unit, length] = units.find(([, length]) => seconds >= length) ?? ["s", 1];
  return `${Math.floor(seconds / length)} ${unit}`;
}

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  while (bytes >= 1000 && place < units.length - 1) { bytes /= 1000; place += 1; }
  return `${bytes.toFixed(place ? 1 : 0)} ${units[place]}`;
}

export function clock(moment) {
  return new Date(moment * 1000).toLocaleTimeString([], { hour12: false });
}

export function count(number, what) {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** The class that colours a stream: how the other side has proved itself to us. */
export function proofClass(stream) {
  if (["external", "certificate", "dane", "digest-md5", "handshake", "password"].includes(stream.they_to_us)) return "certificate";
  return stream.they_to_us === "dialback" ? "dialback" : "unproved";
}

export function proofWords(stream) {
  return stream.they_to_us === "none" ? "not yet" : stream.they_to_us;
}
