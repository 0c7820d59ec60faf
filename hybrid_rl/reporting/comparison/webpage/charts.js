// Charts in SVG: lines with bands, dots with intervals, heat maps. Drawn anew when their width or their range changes.

const PALETTE = 12;
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const BASE = -1; // the base model, which is no arm
const colour = (index) => (index === BASE ? "arm base" : `arm arm-${index % PALETTE}`);
const dash = (index) => DASHES[Math.floor(Math.max(0, index) / PALETTE) % DASHES.length] || null;
const wide = (text) => 6.8 * String(text).length; // pixels of a label, about

// whole: of things that are counted, between which there is nothing to label.
function ticks(low, high, count, whole = false) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const found = (whole ? [1, 2, 5, 10] : [1, 2, 2.5, 5, 10]).find((unit) => unit * power >= rough) * power;
  const step = whole ? Math.max(1, found) : found;
  const at = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) at.push(Math.abs(value) < step * 1e-9 ? 0 : value);
  return at;
}

// The range of an axis: all values with a little room, from 0 unless they lie far above it.
function fitted(values, options) {
  const low = Math.min(...values), high = Math.max(...values);
  const start = options.fromZero || (low >= 0 && low < 0.6 * high) ? Math.min(0, low) : low;
  const room = (high - start) * 0.05 || Math.abs(high) * 0.05 || 0.5;
  const top = options.most !== undefined && high <= options.most ? Math.min(options.most, high + room) : high + room;
  return [start < 0 || start > 0 ? start - room : 0, top];
}

// draw(width, again) -> svg; again whenever the width of the place changes. Below it stand the ways to save it.
function responsive(name, draw, series = [], extra = []) {
  const place = h("div", { class: "chart" });
  let width = 0;
  const again = () => place.replaceChildren(draw(width, again));
  new ResizeObserver((entries) => {
    const now = Math.floor(entries[0].contentRect.width);
    if (!now || now === width) return;
    width = now;
    requestAnimationFrame(again); // not within the observer: it would observe itself
  }).observe(place);
  const saved = (how) => () => how(place.querySelector("svg"), name, series);
  return h("div", { class: "plot" }, place, h("div", { class: "tools" }, extra.map((make) => make(again)), saver("SVG", name, saved(saveSvg)), saver("PNG", name, saved(savePng))));
}

function frame(width, height, name, options) {
  const [x0, x1] = options.x, [y0, y1] = options.y;
  const yTicks = options.yTicks === false ? [] : ticks(y0, y1, Math.max(3, Math.floor(height / 48)));
  const least = 18 + Math.max(0, ...yTicks.map((value) => wide(quantity(value))));
  const margin = { top: 10, right: 14, bottom: options.xLabel ? 44 : 28, left: options.left || Math.max(38, least) };
  const x = (value) => margin.left + ((value - x0) / (x1 - x0 || 1)) * (width - margin.left - margin.right);
  const y = (value) => height - margin.bottom - ((value - y0) / (y1 - y0 || 1)) * (height - margin.top - margin.bottom);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": name });
  const places = options.xTicks === false ? [] : options.xTicks || ticks(x0, x1, Math.max(2, Math.floor(width / 110)), options.whole).map((value) => [value, quantity(value)]);
  let end = -Infinity;
  for (const [value, text] of places) {
    svg.append(s("line", { class: "grid", x1: x(value), x2: x(value), y1: margin.top, y2: height - margin.bottom }));
    const half = wide(text) / 2, middle = Math.min(x(value), width - half - 2);
    if (middle - half < end + 6) continue; // it would touch the label before it
    end = middle + half;
    svg.append(s("text", { class: "tick", x: middle, y: height - margin.bottom + 17, "text-anchor": "middle" }, text));
  }
  for (const value of yTicks) {
    svg.append(s("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }),
      s("text", { class: "tick", x: margin.left - 8, y: y(value) + 4, "text-anchor": "end" }, quantity(value)));
  }
  if (options.xLabel) svg.append(s("text", { class: "label", x: (margin.left + width - margin.right) / 2, y: height - 6, "text-anchor": "middle" }, options.xLabel));
  return { svg, x, y, margin };
}

const path = (points, x, y) => points.map((p, i) => `${i ? "L" : "M"}${x(p[0]).toFixed(1)} ${y(p[1]).toFixed(1)}`).join("");

let lastClip = 0;

// series: {name, index, points: [[x, y, low, high]], seeds: [[[x, y]]]}. A stretch that is drawn over with the pointer, or
// the keys + and -, zooms; a double click or 0 shows all of it.
function lineChart(name, series, options) {
  const shown = series.filter((one) => one.points.length || (one.seeds || []).length);
  const every = shown.flatMap((one) => [...one.points, ...(one.seeds || []).flat()]);
  if (!every.length) return h("p", { class: "empty" }, options.empty || "No numbers for this.");
  const whole = [options.start ?? 0, Math.max(...every.map((p) => p[0])) || 1];
  let view = whole;
  const zoom = { view: () => view, set: null };
  const button = (again) => {
    const all = h("button", { type: "button", class: "save", hidden: true, "aria-label": `Show the whole range: ${name}`, onclick: () => zoom.set(whole) }, "Whole range");
    zoom.set = (to) => {
      const [low, high] = [Math.max(whole[0], to[0]), Math.min(whole[1], to[1])];
      const isWhole = high - low >= (whole[1] - whole[0]) * 0.999;
      if (options.whole && high - low < 1) return;
      view = isWhole ? whole : [low, high];
      all.hidden = isWhole;
      again();
    };
    return all;
  };
  return responsive(name, (width) => {
    const height = options.height || (width < 520 ? 260 : 360);
    const seen = every.filter((p) => view[0] <= p[0] && p[0] <= view[1]);
    const values = (seen.length ? seen : every).flatMap((p) => [p[1], p[2] ?? p[1], p[3] ?? p[1]]);
    const range = options.top && view === whole ? [0, options.top] : fitted(options.target && view === whole ? [...values, options.target] : values, { fromZero: options.fromZero && view === whole, most: options.most });
    const { svg, x, y, margin } = frame(width, height, name, { ...options, x: view, y: range });
    const clip = `clip-${++lastClip}`;
    const drawing = s("g", { "clip-path": `url(#${clip})` });
    svg.append(s("clipPath", { id: clip }, s("rect", { x: margin.left - 4, y: margin.top - 4, width: width - margin.left - margin.right + 8, height: height - margin.top - margin.bottom + 8 })), drawing);
    for (const one of shown) {
      const band = one.points.filter((p) => p[2] !== undefined);
      if (band.length > 1) {
        const outline = [...band.map((p) => [p[0], p[3]]), ...band.map((p) => [p[0], p[2]]).reverse()];
        drawing.append(s("path", { class: `band ${colour(one.index)}`, d: `${path(outline, x, y)}Z` }));
      }
    }
    for (const one of shown) {
      for (const seed of one.seeds || []) drawing.append(s("path", { class: `seed ${colour(one.index)}`, d: path(seed, x, y) }));
      drawing.append(s("path", { class: `line ${colour(one.index)}`, d: path(one.points, x, y), "stroke-dasharray": dash(one.index) }));
      if (one.points.length < 40) for (const p of one.points) drawing.append(s("circle", { class: `dot ${colour(one.index)}`, cx: x(p[0]), cy: y(p[1]), r: 2.6 }));
    }
    if (options.target && range[0] <= options.target && options.target <= range[1]) {
      svg.append(s("line", { class: "target", x1: margin.left, x2: width - margin.right, y1: y(options.target), y2: y(options.target) }),
        s("text", { class: "tick", x: margin.left + 6, y: y(options.target) - 5, "text-anchor": "start" }, `target ${options.target}`));
    }
    watch(svg, shown, { x, y, margin, width, height, zoom, whole }, options);
    return svg;
  }, shown, [button]);
}

// A reading line under the pointer, or moved by the arrow keys; the tip names every series at that place.
function watch(svg, series, at, options) {
  const [start, end] = at.zoom.view();
  const places = [...new Set(series.flatMap((one) => one.points.map((p) => p[0])))].filter((place) => start <= place && place <= end).sort((a, b) => a - b);
  const drawn = s("rect", { class: "drawn", y: at.margin.top, height: at.height - at.margin.top - at.margin.bottom, visibility: "hidden" });
  const rule = s("line", { class: "rule", y1: at.margin.top, y2: at.height - at.margin.bottom, visibility: "hidden" });
  svg.append(drawn, rule);
  let place = places.length - 1, from = null;
  const show = (value, clientX, clientY) => {
    const lines = series.map((one) => {
      const near = one.points.filter((p) => p[0] <= value + (end - start) * 1e-9).at(-1);
      return near && { index: one.index, name: one.name, text: options.format ? options.format(near) : quantity(near[1]) };
    }).filter(Boolean);
    rule.setAttribute("x1", at.x(value));
    rule.setAttribute("x2", at.x(value));
    rule.setAttribute("visibility", "visible");
    tip(clientX, clientY, `${options.xLabel || ""} ${options.named ? options.named(value) : quantity(value)}`, lines);
  };
  const drawnAt = (clientX) => {
    const box = svg.getBoundingClientRect();
    return Math.min(at.width - at.margin.right, Math.max(at.margin.left, (clientX - box.left) * (at.width / box.width)));
  };
  const valueAt = (pixel) => start + ((pixel - at.margin.left) / (at.width - at.margin.left - at.margin.right)) * (end - start);
  const nearest = (pixel) => places.reduce((best, p, i) => (Math.abs(at.x(p) - pixel) < Math.abs(at.x(places[best]) - pixel) ? i : best), 0);
  const hide = () => { rule.setAttribute("visibility", "hidden"); tip(); };
  const stop = () => { from = null; drawn.setAttribute("visibility", "hidden"); };
  svg.addEventListener("pointerdown", (event) => { if (event.button === 0) { from = drawnAt(event.clientX); svg.setPointerCapture(event.pointerId); } });
  svg.addEventListener("pointermove", (event) => {
    const pixel = drawnAt(event.clientX);
    if (from !== null && Math.abs(pixel - from) > 8) {
      drawn.setAttribute("x", Math.min(from, pixel));
      drawn.setAttribute("width", Math.abs(pixel - from));
      drawn.setAttribute("visibility", "visible");
    }
    if (places.length) { place = nearest(pixel); show(places[place], event.clientX, event.clientY); }
  });
  svg.addEventListener("pointerup", (event) => {
    const pixel = drawnAt(event.clientX), begun = from;
    stop();
    if (begun === null || Math.abs(pixel - begun) <= 8) return;
    hide();
    at.zoom.set([valueAt(Math.min(begun, pixel)), valueAt(Math.max(begun, pixel))]);
  });
  svg.addEventListener("pointercancel", stop);
  svg.addEventListener("dblclick", () => { hide(); at.zoom.set(at.whole); });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.setAttribute("tabindex", "0");
  const zoomed = (to) => {
    const holder = svg.parentElement;
    hide();
    at.zoom.set(to);
    holder.querySelector("svg").focus({ preventScroll: true });
  };
  svg.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const centre = places[place] ?? (start + end) / 2, half = (end - start) / 2;
    if (event.key === "Escape") hide();
    if (event.key === "+" || event.key === "=") zoomed([centre - half / 2, centre + half / 2]);
    if (event.key === "-") zoomed([centre - 2 * half, centre + 2 * half]);
    if (event.key === "0") zoomed(at.whole);
    if (!move || !places.length) return;
    event.preventDefault();
    place = Math.min(places.length - 1, Math.max(0, place + move));
    const box = svg.getBoundingClientRect();
    show(places[place], box.left + at.x(places[place]) * (box.width / at.width), box.top + 20);
  });
}

function tip(x, y, head, lines) {
  const element = document.getElementById("tip");
  element.hidden = !lines;
  if (!lines) return;
  element.replaceChildren(h("strong", {}, head), ...lines.map((line) =>
    h("span", {}, h("i", { class: `swatch ${colour(line.index)}` }), `${line.name} ${line.text}`)));
  const box = element.getBoundingClientRect();
  element.style.left = `${Math.max(6, Math.min(x + 14, innerWidth - box.width - 6))}px`;
  element.style.top = `${Math.max(6, Math.min(y + 14, innerHeight - box.height - 6))}px`;
}

// What a mark says under the pointer, at once and not after the browser's wait.
function told(element, head, lines = []) {
  element.setAttribute("aria-label", [head, ...lines.map((line) => `${line.name} ${line.text}`)].join(" "));
  element.addEventListener("pointermove", (event) => tip(event.clientX, event.clientY, head, lines));
  element.addEventListener("pointerleave", () => tip());
  return element;
}

// rows: {name, index, value, low, high, text}; one line each, name above the interval where it is narrow.
function intervalChart(name, rows, options) {
  const low = Math.min(0, ...rows.map((row) => row.low)), high = Math.max(0, ...rows.map((row) => row.high));
  const domain = options.zero ? [Math.min(low * 1.1, -0.02), Math.max(high * 1.1, 0.02)] : [0, Math.min(1, Math.max(high * 1.05, 0.05))];
  return responsive(name, (width) => {
    const narrow = width < 520, step = narrow ? 44 : 32;
    const height = rows.length * step + 56, left = narrow ? 14 : Math.min(260, 24 + 7.2 * Math.max(...rows.map((row) => row.name.length)));
    const { svg, x } = frame(width, height, name, { x: domain, y: [0, 1], yTicks: false, xLabel: options.xLabel, left });
    if (options.zero) svg.append(s("line", { class: "zero", x1: x(0), x2: x(0), y1: 4, y2: height - 44 }));
    rows.forEach((row, i) => {
      const y = i * step + (narrow ? 30 : 24);
      const label = s("text", { class: "name", x: narrow ? left : left - 10, y: narrow ? y - 12 : y + 4, "text-anchor": narrow ? "start" : "end" }, clipped(row.name, narrow ? 48 : 34));
      const mark = s("g", {}, s("rect", { class: "catch", x: 0, y: y - step / 2, width, height: step }), label,
        s("line", { class: `whisker ${colour(row.index)}`, x1: x(row.low), x2: x(row.high), y1: y, y2: y }),
        s("circle", { class: `dot ${colour(row.index)}`, cx: x(row.value), cy: y, r: 5 }));
      svg.append(told(mark, options.xLabel, [{ index: row.index, name: row.name, text: row.text }]));
    });
    return svg;
  });
}

const clipped = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// columns: middle steps; values[column][row] in [0, 1] or null; the first row is at the bottom.
function heatChart(name, panel) {
  return responsive(name, (width) => {
    const height = 240, last = panel.steps.length * panel.width;
    const { svg, x, margin } = frame(width, height, name, { x: [0.5, last + 0.5], y: [0, 1], yTicks: false, xLabel: "optimizer step", left: 60, whole: true });
    const cell = (height - margin.top - margin.bottom) / panel.rows.length;
    const bottom = height - margin.bottom;
    panel.values.forEach((column, i) => column && column.forEach((value, j) => {
      const left = x(panel.width * i + 0.5), right = x(panel.width * (i + 1) + 0.5);
      const mark = s("rect", { class: "heat", x: left, y: bottom - (j + 1) * cell, width: Math.max(1, right - left - 0.5), height: cell - 0.5, "fill-opacity": value ? 0.08 + 0.92 * value : 0 });
      svg.append(told(mark, `step ${panel.steps[i]}, ${panel.rows[j]}: ${(100 * value).toFixed(0)} % of groups`));
    }));
    panel.rows.forEach((row, j) => (j % 2 === 0) && svg.append(s("text", { class: "tick", x: margin.left - 8, y: bottom - (j + 0.5) * cell + 4, "text-anchor": "end" }, row)));
    return svg;
  });
}

function legend(series, hidden, change) {
  return h("div", { class: "legend", role: "group", "aria-label": "Arms shown" }, series.map((one) =>
    h("button", { type: "button", "aria-pressed": String(!hidden.has(one.name)), onclick: () => {
      hidden.has(one.name) ? hidden.delete(one.name) : hidden.add(one.name);
      change();
    } }, h("i", { class: `swatch ${colour(one.index)}` }), one.name)));
}
