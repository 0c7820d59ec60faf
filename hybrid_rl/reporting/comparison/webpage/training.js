// The sections about how training went, and about pass@k.

const SHOWN = { reward_mean: "reward, mean", correct_mean: "share of rollouts that are correct", entropy: "entropy, nats per token", completion_tokens_mean: "length of completions, tokens", kl: "KL to the reference model, nats per token", truncated_rate: "share cut at the length limit" };
const SHARES = new Set(["correct_mean", "truncated_rate"]);

// Columns, which take less of the page, as points without what is missing.
function asPoints(columns) {
  const names = Object.keys(columns);
  return (columns[names[0]] || []).map((_, i) => Object.fromEntries(names.filter((name) => columns[name][i] !== null).map((name) => [name, columns[name][i]])));
}

function trainingSection(data) {
  const has = (key) => data.arms.some((arm) => arm.runs.some((run) => run.training.some((p) => p[key] !== undefined)));
  const measures = Object.keys(SHOWN).filter(has);
  if (!measures.length) return null;
  const axes = Object.entries(data.axes).filter(([axis]) => data.arms.some((arm) => arm.runs.some((run) => run.training.some((p) => p[axis]))));
  const state = { axis: "step", hidden: new Set() };
  return section("training", "How training went", "Each line is a mean over the seeds of an arm and over neighbouring RL steps, of the rollouts that were trained on. Its band goes from the lowest to the highest seed. What a run does not record has no line: the KL, for example, where no reference model is kept.", (body) => {
    const draw = () => {
      const refocus = keepFocus(body);
      const every = data.arms.map((arm, index) => ({ name: arm.name, index }));
      const charts = measures.map((key) => {
        const series = every.filter((one) => !state.hidden.has(one.name)).map((one) => ({ ...one, points: meanCurve(data.arms[one.index].runs, state.axis, key, "training").points }));
        return h("figure", {}, h("figcaption", {}, SHOWN[key]), lineChart(`${SHOWN[key]} against ${data.axes[state.axis]}`, series, {
          xLabel: data.axes[state.axis], whole: WHOLE.has(state.axis), most: SHARES.has(key) ? 1 : undefined, height: 260,
          format: (p) => quantity(p[1]) + (p[2] === undefined ? "" : ` [${quantity(p[2])}, ${quantity(p[3])}]`) }));
      });
      put(body, h("div", { class: "controls" }, choice("Against", axes, state.axis, (value) => { state.axis = value; draw(); })),
        legend(every, state.hidden, draw), h("div", { class: "pair" }, charts));
      refocus();
    };
    draw();
  });
}

function passSection(data) {
  const sets = Object.keys(data.passAt);
  if (!sets.length) return null;
  let set = sets[0];
  return section("pass", "pass@k", data.passNote, (body) => {
    const draw = () => {
      const { columns, rows, curves } = data.passAt[set], refocus = keepFocus(body);
      const index = (name) => data.arms.findIndex((arm) => arm.name === name);
      const series = curves.map((one) => ({ name: one.arm ?? "base model", index: one.arm ? index(one.arm) : BASE, points: one.points.map(([k, ...rest]) => [Math.log2(k), ...rest]) }));
      const ks = [...new Set(curves.flatMap((one) => one.points.map((p) => p[0])))].sort((a, b) => a - b);
      put(body, h("div", { class: "controls" }, choice("Questions", sets.map((name) => [name, name]), set, (value) => { set = value; draw(); })),
        legendStill(series),
        lineChart(`pass@k on ${set} after training`, series, { xLabel: "samples k", xTicks: ks.map((k) => [Math.log2(k), String(k)]), named: (value) => Math.round(2 ** value), fromZero: true, most: 1,
          format: (p) => `${accuracy(p[1])} [${accuracy(p[2])}, ${accuracy(p[3])}]` }),
        table(`pass@k on ${set} after training`, columns, rows.map(([name, ...cells]) => [index(name) < 0 ? baseName() : armName(data, name), ...cells])));
      refocus();
    };
    draw();
  });
}
