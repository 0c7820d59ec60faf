// The rollout browser: one run is unpacked at a time, one question of one step is drawn at a time.

const MOST_CARDS = 64;

async function unpacked(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

function rolloutSection(data) {
  const runs = data.arms.flatMap((arm, i) => arm.runs.map((run, j) => ({ arm: arm.name, i, j, seed: run.seed, id: `rollouts-${i}-${j}` }))).filter((run) => document.getElementById(run.id));
  if (!runs.length) return null;
  const state = { run: runs[0], step: 0, group: 0, outcome: "all", shown: MOST_CARDS };
  const store = new Map();
  return section("rollouts", "Rollouts", "These are the solutions that the model wrote during training, with their grades. Choose an arm, a seed, a step and a question. Where the model was given the beginning of the expert's trace, it is highlighted.", (body) => {
    const controls = h("div", { class: "controls" }), list = h("div", { class: "questions", role: "listbox", tabindex: "0", "aria-label": "Questions of this step" });
    const view = h("div", { class: "view", "aria-live": "polite" });
    body.append(controls, h("div", { class: "browser" }, list, view));

    async function load() {
      if (!store.has(state.run.id)) {
        store.clear();
        store.set(state.run.id, await unpacked(state.run.id));
      }
      state.step = store.get(state.run.id).steps.length - 1;
      state.group = 0;
      drawControls();
      drawStep();
    }
    const steps = () => store.get(state.run.id).steps;
    const groups = () => steps()[state.step].groups;

    function drawControls() {
      const arms = [...new Set(runs.map((run) => run.arm))];
      const pick = (arm, seed) => { state.run = runs.find((run) => run.arm === arm && String(run.seed) === String(seed)) || runs.find((run) => run.arm === arm); load(); };
      const found = store.get(state.run.id);
      const id = newId("step");
      const slider = h("input", { id, type: "range", min: 0, max: found.steps.length - 1, value: state.step, "aria-valuetext": `step ${found.steps[state.step].step}` });
      const output = h("output", { for: id }, `${found.steps[state.step].step}`);
      slider.addEventListener("input", () => {
        state.step = +slider.value;
        state.group = Math.min(state.group, groups().length - 1);
        output.textContent = `${found.steps[state.step].step}`;
        slider.setAttribute("aria-valuetext", `step ${found.steps[state.step].step}`);
        drawStep();
      });
      const refocus = keepFocus(controls);
      put(controls,
        choice("Arm", arms.map((arm) => [arm, arm]), state.run.arm, (arm) => pick(arm, state.run.seed)),
        choice("Seed", runs.filter((run) => run.arm === state.run.arm).map((run) => [run.seed, run.seed]), state.run.seed, (seed) => pick(state.run.arm, seed)),
        h("span", { class: "control step" }, h("label", { for: id }, "Step"), slider, output),
        choice("Outcome", [["all", "all"], ...outcomes().map((name) => [name, name])], state.outcome, (value) => { state.outcome = value; state.shown = MOST_CARDS; drawStep(); }),
        found.recorded > found.steps.length ? h("span", { class: "note" }, `${found.steps.length} of ${found.recorded} recorded steps are in this page`) : null);
      refocus();
    }
    const outcomes = () => [...new Set(steps().flatMap((step) => step.groups.flatMap((group) => group.rows.map((row) => row[1]))))].sort();

    function drawStep() {
      put(list, groups().map((group, i) => {
        const correct = group.rows.filter((row) => row[1] === "correct").length;
        return h("div", { role: "option", id: `question-${i}`, "aria-selected": String(i === state.group), onclick: () => choose(i) },
          h("span", { class: "question" }, clipped(group.prompt.trim().replace(/\s+/g, " "), 90)),
          h("span", { class: "tally" }, `${correct} of ${group.rows.length} correct`, group.prefix ? ", prefix given" : "", group.rows[0][4] ? "" : ", not trained on"));
      }));
      choose(state.group, false);
    }
    function choose(i, reset = true) {
      state.group = Math.max(0, Math.min(groups().length - 1, i));
      if (reset) state.shown = MOST_CARDS;
      [...list.children].forEach((option, j) => option.setAttribute("aria-selected", String(j === state.group)));
      list.setAttribute("aria-activedescendant", `question-${state.group}`);
      const chosen = list.children[state.group];
      if (chosen) list.scrollTop = Math.min(chosen.offsetTop, Math.max(list.scrollTop, chosen.offsetTop + chosen.offsetHeight - list.clientHeight));
      drawGroup();
    }
    list.addEventListener("keydown", (event) => {
      const to = { ArrowDown: state.group + 1, ArrowUp: state.group - 1, Home: 0, End: groups().length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      choose(to);
    });

    function drawGroup() {
      const group = groups()[state.group];
      const rows = group.rows.filter((row) => state.outcome === "all" || row[1] === state.outcome);
      const more = rows.length > state.shown ? h("button", { type: "button", onclick: () => { state.shown += MOST_CARDS; drawGroup(); } }, `Show ${Math.min(MOST_CARDS, rows.length - state.shown)} more of ${rows.length}`) : null;
      put(view,
        h("h3", {}, `Question ${group.id}, step ${steps()[state.step].step}`),
        h("p", { class: "part" }, "Prompt"), h("pre", { class: "prompt" }, group.prompt),
        group.prefix ? [h("p", { class: "part" }, "The beginning of the expert's trace, which was given"), h("pre", {}, h("mark", {}, group.prefix))] : null,
        h("p", { class: "part" }, rows.length ? `${rows.length} of ${group.rows.length} rollouts` : `No rollout here is ${state.outcome}`),
        rows.slice(0, state.shown).map((row) => card(group, row)), more);
    }
    function card(group, [completion, outcome, reward, advantage, trained]) {
      const none = advantage === null || advantage === undefined;
      return h("article", { class: `rollout ${outcome === "correct" ? "good" : "bad"}`, "aria-label": `Rollout, ${outcome}` },
        h("p", { class: "badges" }, h("span", { class: "badge" }, outcome === "correct" ? "✓ correct" : `✗ ${outcome}`), h("span", {}, `reward ${+reward.toFixed(3)}`),
          h("span", {}, none ? "no advantage" : `advantage ${signed(advantage)}`), trained ? null : h("span", {}, "not trained on")),
        h("pre", {}, group.prefix ? h("mark", { title: "given" }, group.prefix) : null, completion));
    }
    // Nothing is unpacked before the browser comes into view.
    new IntersectionObserver((entries, observer) => {
      if (entries.some((entry) => entry.isIntersecting)) { observer.disconnect(); load(); }
    }, { rootMargin: "400px" }).observe(body);
  });
}
