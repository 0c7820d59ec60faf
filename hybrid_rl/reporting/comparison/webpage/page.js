// Puts the page together.

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const main = document.getElementById("main");
  for (const run of data.arms.flatMap((arm) => arm.runs)) run.training = asPoints(run.training);
  const sections = [accuracySection, verdictSection, curveSection, trainingSection, passSection, costSection, traceSection, panelSection, levelSection, rolloutSection, preparationSection, tuningSection, settingSection, environmentSection].map((make) => make(data)).filter(Boolean);
  main.replaceChildren(...sections);
  document.getElementById("contents").append(...sections.map((one) => h("a", { href: `#${one.id}` }, one.id === "pass" ? "pass@k" : one.id[0].toUpperCase() + one.id.slice(1))));
  fill(document.getElementById("notes"), {}, data.notes.map((note) => h("li", {}, note)));
  document.getElementById("notes").hidden = !data.notes.length;

  const button = document.getElementById("theme"), root = document.documentElement;
  const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => { button.setAttribute("aria-pressed", String(isDark())); };
  button.textContent = "Dark";
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
  label();
})();
