"use strict";
// Making elements. Text of runs is never markup: it becomes text nodes and attributes, nothing else.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child.nodeType ? child : document.createTextNode(String(child)));
  }
  return element;
}

const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const put = (place, ...children) => { place.replaceChildren(); return fill(place, {}, children); };

let lastId = 0;
const newId = (stem) => `${stem}-${++lastId}`;

const accuracy = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));
const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(3);
const pValue = (value) => (value < 0.001 ? "< 0.001" : value.toFixed(3));

const UNITS = [[1e21, "Z"], [1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

// As `amount` in markdown.py: in full below ten thousand, then with three digits and a unit.
function quantity(value) {
  const size = Math.abs(value);
  if (size < 1000) return `${+value.toPrecision(3)}`;
  if (size < 9999.5) return Math.round(value).toLocaleString("en");
  const [unit, name] = UNITS.find(([one]) => size >= one * 0.9995);
  return `${+(value / unit).toPrecision(3)} ${name}`;
}

// A labelled choice: options are [value, text].
function choice(label, options, value, change) {
  const id = newId("choice");
  const select = h("select", { id }, options.map(([key, text]) => h("option", { value: key, selected: String(key) === String(value) }, text)));
  select.addEventListener("change", () => change(select.value));
  return h("span", { class: "control" }, h("label", { for: id }, label), select);
}

function tick(label, checked, change) {
  const box = h("input", { type: "checkbox", checked });
  box.addEventListener("change", () => change(box.checked));
  return h("label", { class: "control" }, box, label);
}

const RANGED = /^([^\[]*\d[^\[]*) (\[[^\]]*\])$/;

// The content of a cell: an estimate stands above its interval, so that a column is as wide as one of them.
function content(value) {
  const found = typeof value === "string" ? RANGED.exec(value) : null;
  return found ? [found[1], " ", h("span", { class: "range" }, found[2])] : value;
}

// rows of cells; a cell is text, a node, or {text, class, exact}, of which `exact` is what the CSV has. The first cell of
// a row heads it. Where the table is wider than its place, a line says so.
function table(caption, columns, rows) {
  const cell = (tag, value, more) => {
    const special = value !== null && typeof value === "object" && !value.nodeType;
    const shown = special ? value.text : value;
    const long = typeof shown === "string" && shown.length > 26 && !RANGED.test(shown) ? "wrap" : "";
    return h(tag, { ...more, class: `${(special && value.class) || ""} ${long}`.trim() || null }, content(shown));
  };
  const scroll = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((value, index) =>
        index ? cell("td", value) : cell("th", value, { scope: "row" })))))));
  const cue = h("span", { class: "cue", hidden: true }, "Scroll sideways for more columns →");
  const look = () => { cue.hidden = scroll.scrollWidth <= scroll.clientWidth + 1 || scroll.scrollLeft + scroll.clientWidth >= scroll.scrollWidth - 1; };
  scroll.addEventListener("scroll", look, { passive: true });
  new ResizeObserver(() => requestAnimationFrame(look)).observe(scroll);
  return h("div", { class: "tabular" }, scroll,
    h("div", { class: "tools" }, cue, saver("CSV", caption, () => save(fileName(caption, "csv"), new Blob([csv(columns, rows)], { type: "text/csv" })))));
}

// Call it before a place is drawn anew, and what it returns after: the same control has the focus again.
function keepFocus(place) {
  const controls = () => [...place.querySelectorAll("button, select, input")];
  const index = controls().indexOf(document.activeElement);
  return () => { if (index >= 0 && controls()[index]) controls()[index].focus({ preventScroll: true }); };
}

// A section that redraws its body when a choice in it changes.
function section(id, title, note, build) {
  const body = h("div", {});
  const element = h("section", { id, "aria-labelledby": `${id}-heading` },
    h("h2", { id: `${id}-heading` }, title), note ? h("p", { class: "note" }, note) : null, body);
  build(body);
  return element;
}
