"""The benchmark: both trainers do the same work, and its figures are what they say."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import LlamaConfig, LlamaForCausalLM

from hybrid_rl.config import composing
from hybrid_rl.models import loading
from hybrid_rl.tools.bench import __main__, figures, limits, presets, relay
from hybrid_rl.tools.bench.measure import Bench
from hybrid_rl.tools.bench.relay import PHASES, Clock, Step, _counted
from hybrid_rl.tools.bench.workload import ArrangedGrader, plain_options, random_model
from hybrid_rl.training import arguments
from hybrid_rl.verification.grader import Solution
from tests.fakes import tiny

pytestmark = pytest.mark.slow


def step(seconds: float, **phases: float) -> Step:
    return Step(seconds, dict.fromkeys(PHASES, 0.0) | phases, generated_tokens=60, passes=8)


@pytest.mark.parametrize("tied", [True, False])
def test_the_floors_count_what_a_step_cannot_do_without(tied: bool) -> None:
    """4 rows of 2 prompts of 3 tokens, 5 tokens each, the longest 7; all worked out by hand."""
    config = LlamaConfig(
        vocab_size=10,
        hidden_size=4,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=tied,
    )
    model = LlamaForCausalLM(config)
    work = limits.Work(3, 5, prompts=2, rows=4, trained_share=0.5, passes=7)
    # q 16, k 8, v 8, o 16, mlp 3 x 32, norms 3 x 4: 156 for each of 2 x 3 + 4 x 4 tokens; the head 40, for 2 + 4 x 4.
    # Pairs that attend: 2 x (1 + 2 + 3) in prompts, 4 x (4 + 5 + 6 + 7) in completions, 4 FLOPs by 4 features each.
    forward = 2 * 156 * 22 + 2 * 40 * 18 + 4 * 4 * (12 + 88)
    found = limits.needs(model, work, torch.float32)
    assert found["generate_gflop"] == pytest.approx(forward / 1e9)
    assert found["train_gflop"] == pytest.approx(0.5 * 3 * forward / 1e9)
    assert found["generate_gbytes"] == pytest.approx((7 * 196 * 4 + 88 * 2 * 2 * 4) / 1e9)
    # In bfloat16 by autocast the weights are stored as before, keys and values are halved.
    found = limits.needs(model, work, torch.bfloat16)
    assert found["generate_gbytes"] == pytest.approx((7 * 196 * 4 + 88 * 2 * 2 * 2) / 1e9)
    can = {"matmul_gflops": 2.0, "copy_gbytes_per_second": 0.5}
    needed = {"generate_gflop": 6.0, "generate_gbytes": 4.0, "train_gflop": 9.0}
    assert limits.floors(needed, can, 0.25, passes=7) == {
        "generate_seconds": 8.0,
        "generate_calls_seconds": 1.75,
        "train_seconds": 4.5,
    }


def test_a_call_of_sampling_has_as_many_passes_as_its_longest_completion() -> None:
    clock = Clock()
    sample = _counted(clock, lambda lengths: [[0] * n for n in lengths], lambda found: found)
    for lengths in ([2, 5, 1], [3], []):
        sample(lengths)
    assert (clock.generated_tokens, clock.passes) == (11, 8)


def test_the_ratio_is_taken_pair_by_pair() -> None:
    ours = [step(1.0), step(4.0), step(3.0)]
    theirs = [step(2.0), step(4.0), step(4.0)]
    found = figures.ratio(ours, theirs)
    assert found["pairs"] == [0.5, 1.0, 0.75]
    assert found["median"] == 0.75
    assert found["low"] <= 0.75 <= found["high"]


def test_what_no_phase_explains_is_other() -> None:
    found = figures.summary([step(1.0, generate=0.5, forward=0.1, backward=0.3)] * 3)
    assert found["phases_seconds"]["other"] == pytest.approx(0.1)
    assert found["phases_share"]["other"] == pytest.approx(0.1)
    assert found["rollout_tokens_per_second"] == 120


def test_a_part_of_other_does_not_count_what_phases_and_parts_within_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(relay, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def spend(seconds: float, *within: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            now[0] += seconds
            for one in within:
                one()

        return run

    clock = Clock()
    text = clock.part("text", spend(1))
    generate = clock.timed("generate", spend(4, text))  # in a phase it counts for the phase
    ours = clock.part("ours", spend(2, text, generate))
    clock.start()
    spend(0.5, ours)()
    clock.stop()
    [step] = clock.steps
    assert (step.seconds, step.phases["generate"], step.other) == (8.5, 5, 3.5)
    assert step.parts == {"text": 1, "trl": 0, "ours": 2, "log": 0, "rest": 0.5}


def test_the_phases_of_unequal_steps_add_up_to_the_step() -> None:
    """Each of three steps spends most on another phase: medians of the phases would add up to far less than a step."""
    steps = [
        step(1.0, generate=0.8, forward=0.2),
        step(2.0, generate=0.1, forward=1.5, backward=0.4),
        step(1.5, generate=0.3, backward=1.2),
    ]
    found = figures.summary(steps)
    assert found["seconds_per_step"] == 1.5
    assert sum(found["phases_seconds"].values()) == pytest.approx(1.5)
    assert sum(found["phases_share"].values()) == pytest.approx(1)
    assert found["phases_share"]["forward"] == pytest.approx((0.2 + 0.75 + 0.0) / 3)


@pytest.mark.parametrize(
    ("share", "mixed"), [(1.0, [True] * 4), (0.5, [False, True] * 2), (0.0, [False] * 4)]
)
def test_the_arranged_share_of_groups_has_advantages(share: float, mixed: list[bool]) -> None:
    grader = ArrangedGrader(tiny.EvenGrader(), 4, share)  # type: ignore[arg-type]
    rewards = [verdict.reward for verdict in grader.grade([Solution("", "0")] * 16)]
    assert [len(set(rewards[i : i + 4])) == 2 for i in range(0, 16, 4)] == mixed
    assert grader.calls == 16


def test_both_trainers_do_the_same_work_in_turn(tmp_path: Path) -> None:
    preset = replace(presets.SMALL, pairs=2)
    few = ("train.prompts_per_step=2", "method.group_size=4", "train.max_completion_tokens=24")
    bench = Bench(preset, [*presets.overrides(preset, None), *few], tmp_path)
    found = bench.against_plain(0.5)
    assert len(found["ratio"]["pairs"]) == 2
    assert found["ratio"]["median"] > 0
    assert found["ours"]["rollout_tokens"] == found["plain"]["rollout_tokens"] > 0
    for who in ("ours", "plain"):
        spent = found[who]["phases_seconds"]
        assert all(spent[name] > 0 for name in ("generate", "forward", "backward", "optimizer"))
        parts = found[who]["other_parts_share"]
        assert sum(parts.values()) == pytest.approx(found[who]["phases_share"]["other"])
        assert min(parts["text"], parts["trl"], parts["log"]) > 0
    assert found["ours"]["other_parts_share"]["ours"] > 0
    assert found["limits"]["floors"]["generate_seconds"] > 0
    assert found["limits"]["needs"]["train_gflop"] > 0


GPU = [
    (presets.SMALL, ["hardware=gpu"]),
    (presets.LARGE, []),
    (presets.SMALL, ["hardware.precision=bfloat16"]),
    (presets.SMALL, []),
]


@pytest.mark.parametrize(("preset", "typed"), GPU)
def test_plain_trl_computes_in_the_dtype_and_on_the_device_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: presets.Preset, typed: list[str]
) -> None:
    monkeypatch.setattr(arguments, "GRPOConfig", dict)
    settings = composing.settings_of(presets.overrides(preset, None, typed), tmp_path)
    ours: Any = arguments.build(settings, settings.batch)
    plain = plain_options(settings, tmp_path)
    same = ("use_cpu", "bf16", "activation_checkpointing", "per_device_train_batch_size")
    assert [plain[name] for name in same] == [ours[name] for name in same]
    assert plain["use_cpu"] is (settings.hardware.device == "cpu")
    assert plain["bf16"] is bool(typed or preset is presets.LARGE)


def test_what_is_typed_wins_over_the_preset(tmp_path: Path) -> None:
    typed = ["hardware=gpu", "hardware.micro_batch=2", "model.dtype=bfloat16"]
    settings = composing.settings_of(presets.overrides(presets.MEDIUM, None, typed), tmp_path)
    assert (settings.hardware.device, settings.hardware.micro_batch) == ("cuda", 2)
    assert (settings.model.name, settings.model.dtype) == ("smollm2_135m_gguf", "bfloat16")


def test_the_large_preset_has_half_a_billion_weights(tmp_path: Path) -> None:
    settings = composing.settings_of(presets.overrides(presets.LARGE, None), tmp_path)
    like = loading.load_model(settings.model)
    assert presets.LARGE.random is not None
    with torch.device("meta"):
        made = random_model(like, *presets.LARGE.random)
    assert loading.parameter_count(made) == pytest.approx(0.5e9, rel=0.05)
    assert made.dtype == torch.bfloat16
    assert made.config.head_dim == 64


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (["hardware=zero2"], "hardware = zero2: the benchmark is one process without DeepSpeed;"),
        (["hardware=gpu"], "hardware.device = cuda: torch finds no GPU here;"),
        (["hardware=gpus"], "hardware = gpus: no such option; did you mean gpu?"),
        (["model.dtyp=bfloat16"], "model.dtyp"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: list[str],
    reason: str,
) -> None:
    if torch.cuda.is_available() and "torch" in reason:
        pytest.skip("there is a GPU")
    words = ["bench", "preset=small", "json=/dev/null", *typed]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stopped:
        __main__.main()
    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("option", ["preset=huge", "train.rl.beta=0.1"])
def test_a_wrong_option_ends_with_the_usage(option: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hybrid_rl.tools.bench", option, "json=/dev/null"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("usage: python -m hybrid_rl.tools.bench preset=")
