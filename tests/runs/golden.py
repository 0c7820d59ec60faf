"""What is kept in tests/golden, made from the code as it is: `make golden` writes all of it, tests only compare.

Settings: every option of every group in conf/, as settings.json would hold it, and every job of every study. Curves:
five optimizer steps of every method on the embedded model, in float32 on one CPU thread. Reports: that of a run, and a
comparison of runs, all written by hand. Curves may differ where a processor rounds so differently that another token is
drawn; torch's kernels with and without AVX2 agree.
"""

import base64
import gzip
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from hybrid_rl.config import rules
from hybrid_rl.config.composing import Composer, config_dir, groups, open_struct
from hybrid_rl.config.loading import load_settings
from hybrid_rl.config.overrides import flat, key_of
from hybrid_rl.config.settings import Settings
from hybrid_rl.config.study import load_study as load_study
from hybrid_rl.studies.study import plan
from tests.fakes import recorded, studies
from tests.fakes.places import GOLDEN

SETTINGS = GOLDEN / "settings"
CURVES = GOLDEN / "curves.json"
COMPARISON = GOLDEN / "comparison.md"
PAGE = GOLDEN / "comparison.json"
REPORT = GOLDEN / "report.md"

ROOT = Path("/golden")
"""Stands for the directory of launch; it need not exist."""
ABSENT = "(absent)"
"""Stands for the value of a key that is in default.json and not in an option's settings."""

# What an option cannot do without.
_TESTS_ONLY = ("task=evaluate", "train.eval_every=null")
_COMPANIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("data", "reasoning_gym"): ("method=grpo",),  # it has no traces
    ("data", "math_suite"): _TESTS_ONLY,
    ("data", "math_suite_files"): _TESTS_ONLY,
    ("experiment", "mine"): (
        "model.path=Qwen/Qwen2.5-0.5B-Instruct",
        "data.train.path=words.jsonl",
        "data.columns.trace='{{ solution }}'",
    ),
    ("model", "gemma3_270m_gguf"): ("model.path=gemma",),  # its own begins with the user's home
    ("rollout", "vllm_colocate"): ("hardware=gpu",),
    ("rollout", "vllm_server"): ("hardware=gpu",),
}

# RL learns slowly: at the rate of config.yaml, other kernels' rounding moves the last norms by more than a test allows.
_CURVE = (
    "experiment=smoke",
    "eval=none",
    "data.train.operations=[2, 6]",
    "data.train.subtractions=null",
    "train.steps=5",
    "train.prompts_per_step=4",
    "train.rl.learning_rate=1e-4",
    "train.rl.schedule=cosine",
    "train.rl.beta=0.05",
    "train.sft.learning_rate=1e-3",
    "train.sft.schedule=linear",
    "train.sft.warmup=0.5",
    "train.save_every=null",
    "train.eval_every=null",
    "hardware.threads=1",
)
# So short a run has both kinds of updates only where a method is told so.
_CURVE_OF: dict[str, tuple[str, ...]] = {
    "adaback": ("method.group_size=4",),
    "alternate": ("method.group_size=4", "method.warmup_steps=1"),
    "bread": ("method.group_size=4", "method.low=null", "method.high=null"),
    # Questions so hard that some are left to SFT.
    "bread_relift": (
        "method.group_size=4", "method.bread.max_probes=1", "method.relift.batch_size=2",
        "data.train.operations=[12, 12]", "method.moments=shared", "method.bread.low=null",
        "method.bread.high=null",
    ),
    "chord": ("method.group_size=4", "method.demonstrations=5"),
    "dapo": ("method.group_size=4", "method.pool=2", "method.rounds=2"),
    "g2rpo_a": ("method.group_size=4", "method.first_tokens=9"),
    "ghpo": ("method.group_size=4",),
    "grpo": ("method.group_size=4",),
    "hpt": ("method.group_size=4", "method.gate=1"),
    "luffy": ("method.group_size=4",),
    "prefix_rft": ("method.group_size=4",),
    "questa": ("method.group_size=4",),
    "relift": ("method.group_size=4", "method.batch_size=3", "method.moments=by_kind"),
    "sasr": (
        "method.group_size=4", "method.warmup_steps=2", "method.gamma=1.0", "method.moments=shared",
    ),
    "sft": (),
    "srft": ("method.group_size=4",),
    "uft": ("method.group_size=4",),
    "sft_then_grpo": ("method.group_size=4", "method.sft_fraction=0.4"),
}  # fmt: skip


def options(group: str) -> list[str]:
    """The options of a group, without the bases that others build on."""
    files = sorted((config_dir() / group).glob("*.yaml"))
    return [file.stem for file in files if file.stem != "base"]


def groups_of_settings() -> list[str]:
    """The groups whose options change a run's settings: all but Hydra's own, and studies, which are many runs."""
    return sorted(groups(config_dir()) - {"hydra", "study"})


@cache
def default_settings() -> dict[str, Any]:
    """The settings of a run for which nothing is typed."""
    return _plain(_settings([]))


def settings_of(group: str) -> dict[str, Any]:
    """Option -> the keys in which its settings differ from `default_settings`, with what it was typed with."""
    default = default_settings()
    made: dict[str, Any] = {}
    for option in options(group):
        typed = [f"{group}={option}", *_COMPANIONS.get((group, option), ())]
        made[option] = {"typed": typed, "differs": _differences(default, _plain(_settings(typed)))}
    return made


def studies_of_conf() -> dict[str, Any]:
    """Study -> its jobs in order, as typed, and how the first job of each arm differs from the default."""
    default = default_settings()
    made: dict[str, Any] = {}
    jobs = _Jobs()
    for name in options("study"):
        values: Any = OmegaConf.to_container(_composed([f"study={name}"]).study, resolve=True)
        if not values["arms"]:  # it is for arms of one's own
            continue
        definition = load_study(values, [])
        planned = plan(definition, [], ROOT / name, jobs)
        first = {job.arm: job for job in reversed(planned.jobs)}
        made[name] = {
            "definition": definition.definition([]),
            "jobs": [" ".join(job.typed) for job in planned.jobs],
            "arms": {
                arm: _differences(default, _plain(first[arm].settings)) for arm in definition.arms
            },
        }
    return made


def curve(method: str, directory: Path) -> dict[str, Any]:
    """Five optimizer steps of a method, in this process: metrics without clocks, decisions, sums over the weights."""
    # Heavy: torch. Not for those who look at settings alone.
    from safetensors.torch import load_file

    from hybrid_rl.execution.launch import prepare
    from hybrid_rl.recording.files import read_jsonl
    from hybrid_rl.run import run

    typed = [*_CURVE, f"method={method}", *_CURVE_OF[method]]
    settings = load_settings(_composed(typed), directory, directory / "run")
    made = prepare(settings, ["hybrid-rl"], directory)
    run(settings)
    loaded = load_file(made.model / "model.safetensors")
    weights = [loaded[name].double() for name in sorted(loaded)]
    return {
        "typed": typed,
        "metrics": [_without_clock(line) for line in read_jsonl(made.metrics)],
        "decisions": read_jsonl(made.decisions),
        "weights": {
            "count": sum(tensor.numel() for tensor in weights),
            "sum": sum(float(tensor.sum()) for tensor in weights),
            "sum_of_absolutes": sum(float(tensor.abs().sum()) for tensor in weights),
            "sum_of_squares": sum(float(tensor.square().sum()) for tensor in weights),
        },
    }


def report(directory: Path) -> str:
    """report.md of a run that was written by hand."""
    from hybrid_rl.reporting.run_report import write

    recorded.write_run(directory)
    return write(directory).read_text(encoding="utf-8")


def comparison(directory: Path) -> tuple[str, dict[str, Any]]:
    """The Markdown of a study that was written by hand, and the data that its HTML page holds."""
    from hybrid_rl.reporting.comparison.command import write

    arms = {"sft_then_grpo": 0.3, "grpo": 0.35, "bread": 0.8, "relift": 0.6}
    studies.write_study(directory, arms, seeds=(0, 1), questions=12)
    for arm in ("bread", "relift"):
        run = recorded.RunDir(directory / arm / "seed_1")
        studies.write_rollouts(run, steps=2, groups=2, size=3)
        studies.change_settings(run, "method", group_size=8)
    html = directory / "report.html"
    told = write([directory], html)
    text = html.read_text(encoding="utf-8").replace(str(directory), str(ROOT))
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    blocks = re.findall(r'<script type="text/plain" id="(rollouts-\d+-\d+)">(.*?)</script>', text)
    rollouts = {
        name: json.loads(gzip.decompress(base64.b64decode(block))) for name, block in blocks
    }
    markdown = html.with_suffix(".md").read_text(encoding="utf-8")
    return markdown.replace(str(directory), str(ROOT)), {
        "told": told,
        "data": json.loads(found[1]),
        "rollouts": rollouts,
    }


def pretty(value: Any, indent: str = "") -> str:
    """JSON in which whatever fits into a line is in one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= 118 or not isinstance(value, dict | list) or not value:
        return line
    inner = f"{indent}  "
    if isinstance(value, dict):
        rows = [f"{inner}{json.dumps(key)}: {pretty(below, inner)}" for key, below in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    return "[\n" + ",\n".join(f"{inner}{pretty(below, inner)}" for below in value) + f"\n{indent}]"


def main() -> None:
    """Write all golden files."""
    SETTINGS.mkdir(parents=True, exist_ok=True)
    for old in SETTINGS.glob("*.json"):
        old.unlink()  # of a group that is no more
    _write(SETTINGS / "default.json", default_settings())
    for group in groups_of_settings():
        _write(SETTINGS / f"{group}.json", settings_of(group))
    _write(SETTINGS / "study.json", studies_of_conf())
    with tempfile.TemporaryDirectory() as path:
        scratch = Path(path)
        REPORT.write_text(report(scratch / "report"), encoding="utf-8")
        markdown, page = comparison(scratch / "made")
        COMPARISON.write_text(markdown, encoding="utf-8")
        _write(PAGE, page)
        _write(CURVES, {method: curve(method, scratch / method) for method in options("method")})


def _write(path: Path, value: Any) -> None:
    path.write_text(f"{pretty(value)}\n", encoding="utf-8")


def _composed(typed: Sequence[str]) -> DictConfig:
    """What Hydra hands on, of what would be typed after `hybrid-rl`."""
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("config", open_struct(typed))


def _settings(typed: Sequence[str]) -> Settings:
    return _checked(_composed(typed))


def _checked(config: DictConfig) -> Settings:
    """The checked settings, on a machine that has every optional package."""
    with mock.patch.object(rules, "_is_installed", return_value=True):
        return load_settings(config, ROOT, ROOT / "run")


class _Jobs:
    """From what is typed for a job to its settings; jobs of an arm differ in two values, so the rest is made once."""

    def __init__(self) -> None:
        self._composer = Composer()
        self._known: dict[tuple[str, ...], Settings] = {}

    def __call__(self, typed: Sequence[str]) -> Settings:
        own = {key_of(word): word.partition("=")[2] for word in typed}
        arm = tuple(word for word in typed if key_of(word) not in ("seed", "run_dir"))
        if arm not in self._known:
            self._known[arm] = _checked(self._composed(typed))
        changed = {"seed": int(own["seed"]), "run_dir": own["run_dir"].strip("'")}
        return self._known[arm].model_copy(update=changed)

    def _composed(self, typed: Sequence[str]) -> DictConfig:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            return self._composer.compose(typed)


def _plain(settings: Settings) -> dict[str, Any]:
    """What settings.json holds, but of the method's class the name alone: its module may move."""
    made: dict[str, Any] = json.loads(settings.model_dump_json())
    made["method_target"] = made["method_target"].rpartition(".")[2]
    return made


def _differences(default: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted key -> value, where the second differs from the first."""
    before, after = flat(default), flat(found)
    keys = sorted({*before, *after})
    told = {key: after.get(key, ABSENT) for key in keys}
    return {key: value for key, value in told.items() if value != before.get(key, ABSENT)}


def _without_clock(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if not key.endswith("_seconds")}


if __name__ == "__main__":
    main()
