// The sections with figures: accuracy, curves, costs, traces, panels, levels, settings, environment.

function accuracySection(data) {
  const sets = [...new Set(data.sets.map((o) => o.set))];
  const primary = data.sets.find((o) => o.primary);
  const state = { set: primary.set, measure: primary.measure, moment: primary.moment };
  return section("accuracy", "Accuracy", null, (body) => {
    const draw = () => {
      const of = data.sets.filter((o) => o.set === state.set);
      const moments = [...new Set(of.map((o) => o.moment))];
      if (!moments.includes(state.moment)) state.moment = moments[0];
      const measures = [...new Set(of.filter((o) => o.moment === state.moment).map((o) => o.measure))];
      if (!measures.includes(state.measure)) state.measure = measures[0];
      const chosen = of.find((o) => o.measure === state.measure && o.moment === state.moment);
      const change = (key) => (value) => { state[key] = value; draw(); };
      const refocus = keepFocus(body);
      const index = (arm) => data.arms.findIndex((one) => one.name === arm);
      const models = data.models;
      const caption = `${chosen.primary ? "Primary outcome" : "Exploratory"}: ${chosen.measure} on ${chosen.set}, ${chosen.questions.toLocaleString("en")} questions, ${models[chosen.moment]}`;
      const others = chosen.rows.filter((row) => row.contrast);
      const ranged = (one, show = accuracy) => `${show(one.value)} [${show(one.low)}, ${show(one.high)}]`;
      const cut = chosen.rows.some((row) => row.cut);
      const rows = chosen.rows.map((row) => {
        const c = row.contrast;
        return [armName(data, row.arm), seedCount(row.seeds), { text: ranged(row), class: "figure" }, ...(cut ? [row.cut] : []),
          c ? { text: ranged(c, signed), class: `figure ${c.concluded ? (c.value > 0 ? "better" : "worse") : ""}` } : "reference",
          c ? (c.concluded ? (c.value > 0 ? "better" : "worse") : c.within ? "within the margin" : chosen.primary ? "no conclusion" : "exploratory") : "",
          c ? pValue(c.p) : "", c ? c.detectable : "", row.typical, c ? c.improvement : ""];
      });
      const base = chosen.base;
      if (base) rows.unshift([baseName(), "", { text: ranged(base), class: "figure" }, ...(cut ? [""] : []), "", "", "", "", "", ""]);
      const marks = chosen.rows.map((row) => ({ ...row, name: row.arm, index: index(row.arm), text: ranged(row) }));
      if (base) marks.unshift({ ...base, name: "base model", index: BASE, text: ranged(base) });
      put(body,
        h("div", { class: "controls" },
          choice("Questions", sets.map((name) => [name, name]), state.set, change("set")),
          choice("Measure", measures.map((name) => [name, name]), state.measure, change("measure")),
          moments.length > 1 ? choice("Model", moments.map((name) => [name, models[name]]), state.moment, change("moment")) : null),
        h("div", { class: "pair" },
          h("figure", {}, h("figcaption", {}, "Accuracy, mean and 95 % interval"),
            intervalChart(`Accuracy of every arm: ${caption}`, marks, { xLabel: chosen.measure })),
          others.length ? h("figure", {}, h("figcaption", {}, `Difference from ${data.reference}, 95 % interval`),
            intervalChart(`Difference of every arm from ${data.reference}`, others.map((row) => ({ ...row.contrast, name: row.arm, index: index(row.arm), text: ranged(row.contrast, signed) })), { zero: true, xLabel: `difference in ${chosen.measure}` })) : null),
        table(caption, ["arm", "seeds", `${chosen.measure} [95\u00a0%]`, ...(cut ? ["cut"] : []), `difference from ${data.reference} [95\u00a0%]`, "conclusion", chosen.primary ? data.pName : "p", "detectable", "interquartile mean", "probability of improvement"], rows),
        h("p", { class: "note" }, chosen.primary ? chosen.correlation || "" : data.exploratory),
        h("details", {}, h("summary", {}, "What the words mean"), h("dl", {}, Object.entries(data.words).map(([word, text]) => [h("dt", {}, word), h("dd", {}, text)]))));
      refocus();
    };
    draw();
  });
}

function verdictSection(data) {
  if (!data.verdicts) return null;
  const { note, columns, rows } = data.verdicts;
  return section("decisions", "Seeds until decided", note, (body) => body.append(table("What is settled about every arm, and at what cost", columns, rows)));
}

function armName(data, name) {
  const index = data.arms.findIndex((arm) => arm.name === name);
  return h("span", { class: "arm-name" }, h("i", { class: `swatch ${colour(index)}` }), h("span", {}, name.split(/(?<=[_ =])/).flatMap((part) => [part, h("wbr")])));
}

const baseName = () => h("span", { class: "arm-name" }, h("i", { class: `swatch ${colour(BASE)}` }), "base model");
const seedCount = (seeds) => h("span", { title: `seeds ${seeds.join(", ")}` }, String(seeds.length));

// Mean over seeds over the range that all of them cover, on straight lines between evaluations, as in cost_curves.py;
// the band from the least to the most of them.
function meanCurve(runs, axis, measure, of = "curve") {
  const curves = runs.filter((run) => run.evaluated || of !== "curve").map((run) => run[of].filter((p) => p[axis] !== undefined && p[measure] !== undefined)).filter((c) => c.length);
  if (!curves.length) return { points: [], seeds: [] };
  if (curves.length === 1) {
    const end = (p, name) => p[`${measure}_${name}`];
    return { points: curves[0].map((p) => (end(p, "low") === undefined ? [p[axis], p[measure]] : [p[axis], p[measure], end(p, "low"), end(p, "high")])), seeds: [] };
  }
  const seeds = curves.map((curve) => curve.map((p) => [p[axis], p[measure]]));
  const lines = seeds.map((points) => [...new Map(points.map((p) => [p[0], p])).values()]);
  const first = Math.max(...lines.map((line) => line[0][0])), last = Math.min(...lines.map((line) => line[line.length - 1][0]));
  const at = (line, x) => {
    const i = line.findIndex((p, j) => j && line[j - 1][0] <= x && x <= p[0]);
    if (i < 0) return line[0][1];
    const [before, after] = [line[i - 1], line[i]];
    return before[1] + ((x - before[0]) / (after[0] - before[0])) * (after[1] - before[1]);
  };
  const spent = [...new Set(lines.flatMap((line) => line.map((p) => p[0])))].filter((x) => first <= x && x <= last).sort((a, b) => a - b);
  const points = spent.map((x) => {
    const values = lines.map((line) => at(line, x));
    return [x, values.reduce((sum, v) => sum + v, 0) / values.length, Math.min(...values), Math.max(...values)];
  });
  return { points, seeds };
}

const WHOLE = new Set(["step", "generated_tokens", "trained_tokens", "verifier_calls", "traces_used", "trace_tokens_used"]);

function curveSection(data) {
  const measures = ["greedy", "avg", "maj"].filter((m) => data.arms.some((arm) => arm.runs.some((run) => run.curve.some((p) => p[m] !== undefined))));
  if (!measures.length) return null;
  const state = { axis: "step", measure: data.target && measures.includes(data.target.measure) ? data.target.measure : measures[0], seeds: false, hidden: new Set() };
  const axes = Object.entries(data.axes).filter(([axis]) => data.arms.some((arm) => arm.runs.some((run) => run.curve.some((p) => p[axis]))));
  return section("curves", "Learning curves", "Each line is the mean accuracy on dev over the seeds of an arm during training. Its band goes from the lowest to the highest seed; with one seed it is the 95 % interval over questions. An arm that spends nothing of a budget stays at 0 on that axis. Draw over a stretch to zoom, double-click to see all. When a chart has the focus, the arrow keys read its values, and +, - and 0 zoom.", (body) => {
    const draw = () => {
      const all = data.arms.map((arm, index) => ({ name: arm.name, index, ...meanCurve(arm.runs, state.axis, state.measure) }));
      const series = all.filter((one) => !state.hidden.has(one.name)).map((one) => ({ ...one, seeds: state.seeds ? one.seeds : [] }));
      const change = (key) => (value) => { state[key] = value; draw(); };
      const refocus = keepFocus(body);
      put(body,
        h("div", { class: "controls" },
          choice("Against", axes, state.axis, change("axis")),
          choice("Measure", measures.map((m) => [m, m]), state.measure, change("measure")),
          tick("show every seed", state.seeds, change("seeds"))),
        legend(all, state.hidden, draw),
        lineChart(`Accuracy on dev against ${data.axes[state.axis]}, a line per arm`, series, {
          xLabel: data.axes[state.axis], whole: WHOLE.has(state.axis), fromZero: true, most: 1, target: data.target && data.target.set === "dev" && data.target.measure === state.measure ? data.target.value : null,
          format: (p) => accuracy(p[1]) + (p[2] === undefined ? "" : ` [${accuracy(p[2])}, ${accuracy(p[3])}]`) }));
      refocus();
    };
    draw();
  });
}

function costSection(data) {
  const names = data.arms.map((arm) => arm.name);
  const axes = Object.keys(data.axes);
  const parts = [];
  if (data.target && Object.keys(data.costs).length) {
    const caption = `Cost of reaching ${data.target.measure} accuracy ${data.target.value} on ${data.target.set}`;
    const shown = axes.filter((axis) => data.costs[axis]);
    const rows = names.filter((name) => shown.some((axis) => data.costs[axis][name])).map((name) => {
      const any = shown.map((axis) => data.costs[axis][name]).find(Boolean);
      return [armName(data, name), { text: `${any.reached} of ${any.runs}`, class: any.reached < any.runs ? "worse" : "" },
        ...shown.map((axis) => (data.costs[axis][name] ? data.costs[axis][name].text : "–"))];
    });
    parts.push(h("h3", {}, caption), h("p", { class: "note" }, data.costNote), table(caption, ["arm", "runs at the target", ...shown.map((axis) => data.axes[axis])], rows));
  }
  const areas = axes.filter((axis) => data.areas[axis]);
  if (areas.length) {
    const caption = "Mean accuracy on dev while spending (area under the curve)", place = h("div", {});
    const draw = (chosen) => {
      const found = data.areas[chosen], refocus = keepFocus(place), others = names.filter((name) => name !== data.reference);
      put(place, h("div", { class: "controls" }, choice("Spending", areas.map((axis) => [axis, data.axes[axis]]), chosen, draw)),
        table(`${caption}, ${data.axes[chosen]}`, ["arm", "mean accuracy", `of ${data.reference}`, "from", "to"],
          others.map((name) => [armName(data, name), ...(found[name] || ["–", "–", "–", "–"])])));
      refocus();
    };
    draw(areas[0]);
    parts.push(h("h3", {}, caption), h("p", { class: "note" }, data.areaNote), place);
  }
  const mean = (values) => (values.length ? values.reduce((sum, v) => sum + v, 0) / values.length : null);
  const spent = "What a run spent, as a mean over the runs of an arm";
  const traces = (arm) => [...new Set(arm.runs.filter((run) => run.evaluated).map((run) => run.traces || "–"))].join("; ");
  const rows = data.arms.map((arm) => [armName(data, arm.name), ...axes.map((axis) => {
    const exact = mean(arm.runs.filter((run) => run.evaluated).map((run) => run.spent[axis]).filter((v) => v !== null));
    return exact === null ? "–" : { text: quantity(exact), exact };
  }), traces(arm)]);
  parts.push(h("h3", {}, spent), table(spent, ["arm", ...axes.map((axis) => data.axes[axis]), "traces used by each run"], rows));
  return section("cost", "Cost", null, (body) => body.append(...parts));
}

function traceSection(data) {
  const sets = [...new Set(data.sets.map((o) => o.set))];
  if (!data.arms.some((arm) => arm.runs.some((run) => run.spent.traces_used))) return null;
  let set = sets[0];
  return section("traces", "Accuracy against expert traces used", "Each dot is a run, with its greedy accuracy after training. A ring is the mean of an arm.", (body) => {
    const draw = () => {
      const series = data.arms.map((arm, index) => ({ name: arm.name, index, dots: arm.runs.filter((run) => run.final[set] && run.spent.traces_used !== null).map((run) => [run.spent.traces_used, run.final[set].greedy, run.seed]) })).filter((one) => one.dots.length);
      const refocus = keepFocus(body);
      put(body, h("div", { class: "controls" }, choice("Questions", sets.map((name) => [name, name]), set, (value) => { set = value; draw(); })),
        legendStill(series), scatter(`Greedy accuracy on ${set} against distinct traces used`, series, data.axes.traces_used));
      refocus();
    };
    draw();
  });
}

const legendStill = (series) => h("div", { class: "legend still" }, series.map((one) => h("span", {}, h("i", { class: `swatch ${colour(one.index)}` }), one.name)));

function scatter(name, series, xLabel) {
  const right = Math.max(1, ...series.flatMap((one) => one.dots.map((p) => p[0])));
  const top = fitted(series.flatMap((one) => one.dots.map((p) => p[1])), { fromZero: true, most: 1 })[1];
  return responsive(name, (width) => {
    const { svg, x, y } = frame(width, width < 520 ? 260 : 320, name, { x: [-right * 0.03, right * 1.05], y: [0, top], xLabel, whole: true });
    for (const one of series) {
      const marked = (element, text) => told(element, text, []);
      for (const p of one.dots) svg.append(marked(s("circle", { class: `dot ${colour(one.index)}`, cx: x(p[0]), cy: y(p[1]), r: 4, "fill-opacity": 0.6 }), `${one.name} seed ${p[2]}: ${accuracy(p[1])} with ${quantity(p[0])} traces`));
      const mean = (i) => one.dots.reduce((sum, p) => sum + p[i], 0) / one.dots.length;
      svg.append(s("circle", { class: `ring ${colour(one.index)}`, cx: x(mean(0)), cy: y(mean(1)), r: 9 }));
    }
    return svg;
  }, series);
}

function panelSection(data) {
  if (!data.arms.some((arm) => arm.panels.length)) return null;
  return section("methods", "What the methods did", "Every value is a mean over the seeds of an arm and over a few neighbouring steps. In a heat map a stronger colour stands for a larger share of the groups.", (body) => {
    data.arms.forEach((arm, index) => {
      if (!arm.panels.length) return;
      body.append(h("h3", {}, armName(data, arm.name)), h("div", { class: "grid-panels" }, arm.panels.map((panel) => {
        const name = `${arm.name}: ${panel.title} over training`;
        const points = panel.kind === "line" ? panel.values.map((value, i) => [panel.steps[i], value]).filter((p) => p[1] !== null) : [];
        return h("figure", {}, h("figcaption", {}, panel.title), panel.kind === "heat" ? heatChart(name, panel)
          : lineChart(name, [{ name: panel.title, index, points }], { xLabel: "optimizer step", whole: true, top: panel.top, height: 240 }));
      })));
    });
  });
}

function levelSection(data) {
  const sets = [...new Set(data.levels.map((row) => row.set))];
  if (!sets.length) return null;
  let set = sets[0];
  return section("levels", "By difficulty level", "The greedy accuracy after training, as a mean over seeds with its 95 % interval.", (body) => {
    const draw = () => {
      const rows = data.levels.filter((row) => row.set === set);
      const levels = [...new Set(rows.map((row) => row.level))];
      const of = (arm, level) => rows.find((row) => row.arm === arm && row.level === level);
      const arms = data.arms.filter((arm) => rows.some((row) => row.arm === arm.name));
      const refocus = keepFocus(body);
      const questions = (level) => rows.find((row) => row.level === level).questions;
      put(body, h("div", { class: "controls" }, choice("Questions", sets.map((name) => [name, name]), set, (value) => { set = value; draw(); })),
        legendStill(arms.map((arm) => ({ name: arm.name, index: data.arms.indexOf(arm) }))),
        levelChart(`Greedy accuracy on ${set} by level`, arms.map((arm) => ({ name: arm.name, index: data.arms.indexOf(arm), values: levels.map((level) => of(arm.name, level)) })), levels),
        table(`Greedy accuracy on ${set} by level`, ["arm", ...levels.map((level) => `level ${level} (${questions(level)})`)], arms.map((arm) => [armName(data, arm.name),
          ...levels.map((level) => { const r = of(arm.name, level); return r ? `${accuracy(r.value)} [${accuracy(r.low)}, ${accuracy(r.high)}]` : "–"; })])));
      refocus();
    };
    draw();
  });
}

function levelChart(name, series, levels) {
  return responsive(name, (width) => {
    const height = width < 520 ? 260 : 320;
    const { svg, x, y, margin } = frame(width, height, name, { x: [0, levels.length], y: [0, 1], xTicks: false, xLabel: "level" });
    levels.forEach((level, i) => {
      svg.append(s("text", { class: "tick", x: x(i + 0.5), y: height - margin.bottom + 17, "text-anchor": "middle" }, clipped(level, Math.floor((width / levels.length) / 7))));
      if (i) svg.append(s("line", { class: "grid", x1: x(i), x2: x(i), y1: margin.top, y2: height - margin.bottom }));
      series.forEach((one, j) => {
        const row = one.values[i], at = x(i + (j + 1) / (series.length + 1));
        if (!row) return;
        const mark = s("g", {}, s("line", { class: `whisker ${colour(one.index)}`, x1: at, x2: at, y1: y(row.low), y2: y(row.high) }), s("circle", { class: `dot ${colour(one.index)}`, cx: at, cy: y(row.value), r: 4 }));
        svg.append(told(mark, `level ${level}`, [{ index: one.index, name: one.name, text: `${accuracy(row.value)} [${accuracy(row.low)}, ${accuracy(row.high)}]` }]));
      });
    });
    return svg;
  }, series);
}

function preparationSection(data) {
  if (!data.preparation) return null;
  const { title, note, columns, rows } = data.preparation;
  return section("preparation", title, note, (body) => body.append(table(title, columns, rows)));
}

function tuningSection(data) {
  const { title, note, columns, rows } = data.tuning;
  if (!rows.length) return null;
  return section("tuning", title, note, (body) => body.append(table(title, columns, rows)));
}

function settingSection(data) {
  if (!data.settings.length) return null;
  return section("settings", "Settings in which arms differ", null, (body) =>
    body.append(table("Settings in which arms differ", ["setting", ...data.arms.map((arm) => arm.name)], data.settings)));
}

function environmentSection(data) {
  return section("environment", "Environment and data", null, (body) => {
    body.append(table("What the runs ran on, and what they read", ["item", "value"], data.environment));
  });
}
