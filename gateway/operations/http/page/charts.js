// Small charts of numbers in equal parts of time, drawn without their own scale: the words beside them have numbers.

import { draw } from "./dom.js";

/** A line with the area below it, as wide and high as its style says; no line if nothing passed. */
export function spark(values, label, look = "") {
  const width = 100, height = 20, most = Math.max(...values, 1);
  const step = width / Math.max(values.length - 1, 1);
  const points = values.map((value, at) => `${(at * step).toFixed(1)} ${(height - 1 - (value / most) * (height - 2)).toFixed(1)}`);
  const svg = draw("svg", { class: `spark ${look}`, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  if (values.some(Boolean)) {
    svg.append(
      draw("path", { class: "area", d: `M0 ${height} L${points.join(" L")} L${width} ${height} z` }),
      draw("path", { class: "edge", d: `M${points.join(" L")}` }));
  } else svg.append(draw("path", { class: "none", d: `M0 ${height - 1} H${width}` }));
  return svg;
}

/** Bars upwards, and for a second series downwards from the same line. */
export function bars(up, down, places, label, look = "") {
  const height = 40, width = 240, most = Math.max(...up, ...(down ?? []), 1);
  const base = down ? height / 2 : height - 1, room = down ? height / 2 - 1 : height - 2;
  const step = width / places, thick = step * 0.72;
  const svg = draw("svg", { class: `bars ${look}`, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    draw("path", { class: "base", d: `M0 ${base} H${width}` }));
  const path = (values, sign) => values.map((value, at) => {
    if (!value) return "";
    const long = Math.max((value / most) * room, 1.2), left = width - (values.length - at) * step + (step - thick) / 2;
    return `M${left.toFixed(1)} ${base} v${(-sign * long).toFixed(1)} h${thick.toFixed(1)} V${base} z`;
  }).join("");
  svg.append(draw("path", { class: "up", d: path(up, 1) }));
  if (down) svg.append(draw("path", { class: "down", d: path(down, -1) }));
  return svg;
}
