// Numbers, times and proofs in words.

export function duration(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const [unit, length] = units.find(([, length]) => seconds >= length) ?? ["s", 1];
  return `${Math.max(0, Math.floor(seconds / length))} ${unit}`;
}

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  while (bytes >= 1000 && place < units.length - 1) { bytes /= 1000; place += 1; }
  return `${bytes.toFixed(place && bytes < 100 ? 1 : 0)} ${units[place]}`;
}

export function short(number) {
  if (number < 10000) return String(number);
  return number < 1e6 ? `${(number / 1000).toFixed(number < 1e5 ? 1 : 0)}k` : `${(number / 1e6).toFixed(1)}M`;
}

export function clock(moment, withSeconds = true) {
  const options = { hour12: false, hour: "2-digit", minute: "2-digit", ...(withSeconds ? { second: "2-digit" } : {}) };
  const date = new Date(moment * 1000);
  const time = date.toLocaleTimeString([], options);
  return Date.now() - date < 43200000 ? time : `${date.toLocaleDateString([], { month: "short", day: "numeric" })} ${time}`;
}

export function day(moment) {
  return new Date(moment * 1000).toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" });
}

/** A stretch of time by its ends, or one moment where both are the same minute. */
export function stretch(first, last) {
  const [from, until] = [clock(first, false), clock(last, false)];
  return from === until ? from : `${from} to ${until}`;
}

export function count(number, what) {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

export const STATES = {
  failing: "failing", opening: "opening", connected: "connected", quiet: "quiet", "turned-away": "turned away",
};

const PROOFS = {
  none: "nothing yet", certificate: "certificate", external: "certificate", dane: "certificate (DANE)", dialback: "dialback", address: "address only",
  shown: "certificate shown", "digest-md5": "shared secret", handshake: "shared secret", password: "password",
};

export function proof(value) {
  return PROOFS[value] ?? value;
}

/** The class that colours a proof: by how much it is worth. */
export function worth(value) {
  if (value === "none" || value === "") return "nothing";
  if (value === "address") return "address";
  return value === "dialback" ? "dialback" : "certificate";
}

/** A sentence with a capital; one that begins with a name or a command is left as it is. */
export function capital(text) {
  return /^[a-z]+[ ,:]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
}
