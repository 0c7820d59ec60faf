"""A model of another family than Llama is trained and saved: Gemma 3, most of whose layers see a window of tokens."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModelForCausalLM, AutoTokenizer

from hybrid_rl import run
from hybrid_rl.execution import launch
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir
from tests.conftest import Load
from tests.fakes import presets

pytestmark = pytest.mark.slow
MODEL = presets.option("model", "gemma3_270m_gguf")
ASKED = ["eval.sets=[easy]", "eval.limit=4", "eval.samples=0", "eval.before=false"]
SHORT = [
    "train.steps=2",
    "train.prompts_per_step=1",
    "method.group_size=2",
    "train.sft.batch_size=2",
]


@pytest.mark.skipif(
    not Path(MODEL["path"], MODEL["gguf_file"]).expanduser().exists(),
    reason="conf/model/gemma3_270m_gguf.yaml says how to get the model",
)
def test_gemma_takes_steps_of_both_kinds_and_answers_alike_when_saved(
    load: Load, tmp_path: Path
) -> None:
    settings = load(
        *("model=gemma3_270m_gguf", "data=chain", "reward=numeric", f"run_dir={tmp_path / 'run'}"),
        *("method=sft_then_grpo", "method.sft_fraction=0.5", "train.max_completion_tokens=80"),
        *("train.sft.learning_rate=1e-5", "train.rl.learning_rate=1e-6", *SHORT, *ASKED),
    )
    directory: RunDir = launch.prepare(settings, ["hybrid-rl"], Path.cwd())
    run.run(settings)
    lines = read_jsonl(directory.metrics)
    assert [line["kind"] for line in lines] == ["sft", "rl"]
    assert lines[0]["update_norm"] > 0

    tokenizer = AutoTokenizer.from_pretrained(directory.model)
    model = AutoModelForCausalLM.from_pretrained(directory.model)
    for row in read_jsonl(directory.evaluation("after") / "easy.jsonl"):
        ids = tokenizer(row["prompt"], return_tensors="pt", add_special_tokens=False)
        drawn = model.generate(**ids, max_new_tokens=80, do_sample=False)
        answer = tokenizer.decode(drawn[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
        assert answer == row["greedy"]["completion"]
