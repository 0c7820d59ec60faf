// Charts in SVG: lines with bands, dots with intervals, heat maps. Drawn anew when their width changes.

const PALETTE = 12;
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const colour = (index) => `arm arm-${index % PALETTE}`;
const dash = (index) => DASHES[Math.floor(index / PALETTE) % DASHES.length] || null;

function ticks(low, high, count) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((unit) => unit * power >= rough) * power;
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) found.push(Math.abs(value) < step * 1e-9 ? 0 : value);
  return found;
}

// draw(width) -> svg; again whenever the width of the place changes.
function responsive(draw) {
  const place = h("div", { class: "chart" });
  let width = 0;
  new ResizeObserver((entries) => {
    const now = Math.floor(entries[0].contentRect.width);
    if (!now || now === width) return;
    width = now;
    requestAnimationFrame(() => place.replaceChildren(draw(width))); // not within the observer: it would observe itself
  }).observe(place);
  return place;
}

function frame(width, height, name, options) {
  const margin = { top: 10, right: 14, bottom: options.xLabel ? 44 : 28, left: options.left || 52 };
  const [x0, x1] = options.x, [y0, y1] = options.y;
  const x = (value) => margin.left + ((value - x0) / (x1 - x0 || 1)) * (width - margin.left - margin.right);
  const y = (value) => height - margin.bottom - ((value - y0) / (y1 - y0 || 1)) * (height - margin.top - margin.bottom);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": name });
  for (const value of options.xTicks === false ? [] : ticks(x0, x1, Math.max(2, Math.floor(width / 110)))) {
    svg.append(s("line", { class: "grid", x1: x(value), x2: x(value), y1: margin.top, y2: height - margin.bottom }),
      s("text", { class: "tick", x: x(value), y: height - margin.bottom + 17, "text-anchor": "middle" }, quantity(value)));
  }
  for (const value of options.yTicks === false ? [] : ticks(y0, y1, Math.max(2, Math.floor(height / 60)))) {
    svg.append(s("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }),
      s("text", { class: "tick", x: margin.left - 8, y: y(value) + 4, "text-anchor": "end" }, quantity(value)));
  }
  if (options.xLabel) svg.append(s("text", { class: "label", x: (margin.left + width - margin.right) / 2, y: height - 6, "text-anchor": "middle" }, options.xLabel));
  return { svg, x, y, margin };
}

const path = (points, x, y) => points.map((p, i) => `${i ? "L" : "M"}${x(p[0]).toFixed(1)} ${y(p[1]).toFixed(1)}`).join("");

// series: {name, index, points: [[x, y, low, high]], seeds: [[[x, y]]]}
function lineChart(name, series, options) {
  const shown = series.filter((one) => one.points.length || (one.seeds || []).length);
  const every = shown.flatMap((one) => [...one.points, ...(one.seeds || []).flat()]);
  if (!every.length) return h("p", { class: "empty" }, options.empty || "No numbers for this.");
  const right = Math.max(...every.map((p) => p[0])) || 1;
  const highest = Math.max(...every.map((p) => Math.max(p[1], p[3] ?? p[1])));
  const top = options.top || highest * 1.05 || 1;
  return responsive((width) => {
    const height = options.height || (width < 520 ? 260 : 360);
    const { svg, x, y, margin } = frame(width, height, name, { x: [options.start ?? 0, right], y: [0, top], xLabel: options.xLabel });
    for (const one of shown) {
      const band = one.points.filter((p) => p[2] !== undefined);
      if (band.length > 1) {
        const outline = [...band.map((p) => [p[0], p[3]]), ...band.map((p) => [p[0], p[2]]).reverse()];
        svg.append(s("path", { class: `band ${colour(one.index)}`, d: `${path(outline, x, y)}Z` }));
      }
    }
    for (const one of shown) {
      for (const seed of one.seeds || []) svg.append(s("path", { class: `seed ${colour(one.index)}`, d: path(seed, x, y) }));
      svg.append(s("path", { class: `line ${colour(one.index)}`, d: path(one.points, x, y), "stroke-dasharray": dash(one.index) }));
      if (one.points.length < 40) for (const p of one.points) svg.append(s("circle", { class: `dot ${colour(one.index)}`, cx: x(p[0]), cy: y(p[1]), r: 2.6 }));
    }
    if (options.target) {
      svg.append(s("line", { class: "target", x1: margin.left, x2: width - margin.right, y1: y(options.target), y2: y(options.target) }),
        s("text", { class: "tick", x: width - margin.right, y: y(options.target) - 5, "text-anchor": "end" }, `target ${options.target}`));
    }
    watch(svg, shown, { x, y, margin, width, height, right, start: options.start ?? 0 }, options);
    return svg;
  });
}

// A reading line under the pointer, or moved by the arrow keys; the tip names every series at that place.
function watch(svg, series, at, options) {
  const places = [...new Set(series.flatMap((one) => one.points.map((p) => p[0])))].sort((a, b) => a - b);
  if (!places.length) return;
  const rule = s("line", { class: "rule", y1: at.margin.top, y2: at.height - at.margin.bottom, visibility: "hidden" });
  svg.append(rule);
  let place = places.length - 1;
  const show = (value, clientX, clientY) => {
    const lines = series.map((one) => {
      const near = one.points.filter((p) => p[0] <= value + (at.right - at.start) * 1e-9).at(-1);
      return near && { index: one.index, name: one.name, text: options.format ? options.format(near) : quantity(near[1]) };
    }).filter(Boolean);
    rule.setAttribute("x1", at.x(value));
    rule.setAttribute("x2", at.x(value));
    rule.setAttribute("visibility", "visible");
    tip(clientX, clientY, `${options.xLabel || ""} ${quantity(value)}`, lines);
  };
  const nearest = (clientX) => {
    const box = svg.getBoundingClientRect();
    const value = (clientX - box.left) * (at.width / box.width);
    return places.reduce((best, p, i) => (Math.abs(at.x(p) - value) < Math.abs(at.x(places[best]) - value) ? i : best), 0);
  };
  const hide = () => { rule.setAttribute("visibility", "hidden"); tip(); };
  svg.addEventListener("pointermove", (event) => { place = nearest(event.clientX); show(places[place], event.clientX, event.clientY); });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.setAttribute("tabindex", "0");
  svg.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") hide();
    if (!move) return;
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

// rows: {name, index, value, low, high, text}; one line each, name above the interval where it is narrow.
function intervalChart(name, rows, options) {
  const low = Math.min(options.zero ? 0 : 1, ...rows.map((row) => row.low)), high = Math.max(0, ...rows.map((row) => row.high));
  const domain = options.zero ? [Math.min(low * 1.1, -0.02), Math.max(high * 1.1, 0.02)] : [0, 1];
  return responsive((width) => {
    const narrow = width < 520, step = narrow ? 44 : 32;
    const height = rows.length * step + 56, left = narrow ? 14 : Math.min(260, 24 + 7.2 * Math.max(...rows.map((row) => row.name.length)));
    const { svg, x } = frame(width, height, name, { x: domain, y: [0, 1], yTicks: false, xLabel: options.xLabel, left });
    if (options.zero) svg.append(s("line", { class: "zero", x1: x(0), x2: x(0), y1: 4, y2: height - 44 }));
    rows.forEach((row, i) => {
      const y = i * step + (narrow ? 30 : 24);
      const label = s("text", { class: "name", x: narrow ? left : left - 10, y: narrow ? y - 12 : y + 4, "text-anchor": narrow ? "start" : "end" }, clipped(row.name, narrow ? 48 : 34));
      svg.append(s("g", {}, s("title", {}, `${row.name}: ${row.text}`), label,
        s("line", { class: `whisker ${colour(row.index)}`, x1: x(row.low), x2: x(row.high), y1: y, y2: y }),
        s("circle", { class: `dot ${colour(row.index)}`, cx: x(row.value), cy: y, r: 5 })));
    });
    return svg;
  });
}

const clipped = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// columns: middle steps; values[column][row] in [0, 1] or null; the first row is at the bottom.
function heatChart(name, panel) {
  return responsive((width) => {
    const height = 240, last = panel.steps.length * panel.width;
    const { svg, x, margin } = frame(width, height, name, { x: [0.5, last + 0.5], y: [0, 1], yTicks: false, xLabel: "optimizer step", left: 60 });
    const cell = (height - margin.top - margin.bottom) / panel.rows.length;
    const bottom = height - margin.bottom;
    panel.values.forEach((column, i) => column && column.forEach((value, j) => {
      const left = x(panel.width * i + 0.5), right = x(panel.width * (i + 1) + 0.5);
      svg.append(s("rect", { class: "heat", x: left, y: bottom - (j + 1) * cell, width: Math.max(1, right - left - 0.5), height: cell - 0.5, "fill-opacity": value ? 0.08 + 0.92 * value : 0 },
        s("title", {}, `step ${panel.steps[i]}, ${panel.rows[j]}: ${(100 * value).toFixed(0)} % of groups`)));
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
