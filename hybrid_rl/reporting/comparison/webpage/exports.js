// Files that a reader saves: a table as CSV, a chart as SVG or PNG.

const fileName = (caption, ending) => `${`${document.title.split(":")[0]} ${caption}`.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 90)}.${ending}`;

const saver = (kind, caption, onclick) => h("button", { type: "button", class: "save", "aria-label": `Save as ${kind}: ${caption}`, title: `Save as ${kind}`, onclick }, kind);

function save(name, blob) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// A number without unit and with a plain minus; any other text as it is.
function plainNumber(text) {
  const told = text.trim().replace(/^−/, "-").replace(/^\+(?=\d)/, "");
  const found = /^([<>]?\s?)(-?[\d.,]+)(?: ([kMGTPEZ]))?$/.exec(told);
  if (!found) return told;
  const [, sign, digits, unit] = found;
  const number = digits.replaceAll(",", "");
  return sign.trim() + (unit ? String(+(Number(number) * UNITS.find(([, name]) => name === unit)[0]).toPrecision(12)) : number);
}

// A column of estimates with intervals becomes three: the estimate, its low and its high end.
function csv(columns, rows) {
  const text = (value) => {
    if (value === null || value === undefined) return "";
    if (value.nodeType) return value.textContent;
    if (typeof value === "object") return value.exact === undefined ? text(value.text) : String(value.exact);
    return String(value);
  };
  const cells = rows.map((row) => row.map(text));
  const ranged = columns.map((_, i) => cells.some((row) => RANGED.test(row[i] || "")));
  const split = (value) => {
    const found = RANGED.exec(value);
    return found ? [found[1], ...found[2].slice(1, -1).split(", ")] : [value, "", ""];
  };
  const lines = cells.map((row) => row.flatMap((value, i) => (ranged[i] ? split(value) : [value]).map((one) => (i ? plainNumber(one) : one))));
  const head = columns.map((name) => name.replaceAll("\u00a0", " ")).flatMap((name, i) => (ranged[i] ? [name, `${name}, low`, `${name}, high`] : [name]));
  // A program for tables takes a cell that begins so for a formula.
  const safe = (value) => (/^[=@\t\r]|^[+-](?![\d.]|$)/.test(value) ? `'${value}` : value);
  const quoted = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return [head, ...lines].map((line) => line.map((value) => quoted(safe(value))).join(",")).join("\r\n") + "\r\n";
}

const DRAWN = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "font-size", "font-family", "font-weight", "text-anchor", "paint-order"];

// The drawing by itself: its title above, the arms below, and every colour in it, since no style sheet goes with it.
function standalone(svg, name, series) {
  const width = svg.width.baseVal.value, height = svg.height.baseVal.value, body = getComputedStyle(document.body);
  const copy = svg.cloneNode(true);
  const from = [svg, ...svg.querySelectorAll("*")], to = [copy, ...copy.querySelectorAll("*")];
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const key of DRAWN) to[i].setAttribute(key, style.getPropertyValue(key).replaceAll("currentcolor", style.color).replaceAll("currentColor", style.color));
    for (const key of ["class", "tabindex"]) to[i].removeAttribute(key);
  });
  copy.querySelectorAll("[visibility=hidden]").forEach((element) => element.remove());
  const places = [];
  let left = 14, row = 0;
  for (const one of series) {
    const wide = 26 + 7 * one.name.length;
    if (left + wide > width && left > 14) { left = 14; row += 1; }
    places.push({ ...one, left, row });
    left += wide;
  }
  const head = 30, foot = places.length ? 24 * (row + 1) : 0, text = { fill: body.color, "font-family": "system-ui, sans-serif", "font-size": "13px" };
  const whole = s("svg", { xmlns: SVG, width, height: head + height + foot, viewBox: `0 0 ${width} ${head + height + foot}` },
    s("title", {}, name),
    s("rect", { width, height: head + height + foot, fill: getComputedStyle(svg.closest("section") || document.body).backgroundColor }),
    s("text", { x: 14, y: 20, ...text, "font-weight": 600 }, clipped(name, Math.floor(width / 7))));
  copy.setAttribute("y", head);
  whole.append(copy);
  for (const one of places) {
    const y = head + height + 24 * one.row + 10;
    whole.append(s("rect", { x: one.left, y: y - 5, width: 10, height: 10, rx: 2, fill: body.getPropertyValue(`--arm-${one.index % PALETTE}`) || body.color }),
      s("text", { x: one.left + 15, y: y + 5, ...text }, one.name));
  }
  return whole;
}

const asText = (svg) => new XMLSerializer().serializeToString(svg);

async function saveSvg(svg, name, series) {
  save(fileName(name, "svg"), new Blob([asText(standalone(svg, name, series))], { type: "image/svg+xml" }));
}

// With twice the pixels, so that it is sharp in a paper.
async function savePng(svg, name, series) {
  const drawn = standalone(svg, name, series), image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(asText(drawn))}`;
  await image.decode();
  const canvas = h("canvas", { width: 2 * drawn.getAttribute("width"), height: 2 * drawn.getAttribute("height") });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  save(fileName(name, "png"), await new Promise((done) => canvas.toBlob(done, "image/png")));
}
