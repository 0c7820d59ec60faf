"""The table of check=true, on the built-in task."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from hybrid_rl.errors import SettingsError
from tests.conftest import Load

pytestmark = pytest.mark.slow  # check imports transformers


def test_check_prints_a_table_and_runs_nothing(
    load: Load, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hybrid_rl.tools.check import check_run

    monkeypatch.setenv("COLUMNS", "200")
    check_run(load("experiment=smoke", "method=grpo", "check=true"))
    printed = capsys.readouterr().out
    for quantity in (
        "optimizer steps",
        "prompts",
        "rollouts",
        "generated tokens",
        "traces",
        "FLOPs",
    ):
        assert quantity in printed
    assert re.search(r"memory: KV cache\D+[\d.]+ MiB", printed)
    # Those of the hard set: <user>, two digits, a bar, 12 operations of two tokens each, <assistant>.
    assert "the longest prompt of the data has 29 tokens" in printed
    assert "Settings and data are valid; nothing was run." in printed


def test_every_limit_and_every_set_has_a_line(
    load: Load, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hybrid_rl.tools.check import check_run

    monkeypatch.setenv("COLUMNS", "200")
    limits = ("budget.flops=1e9", "budget.traces_used=20000", "eval.sets=[hard]")
    check_run(load("method=grpo", "eval.samples=4", "eval.before=true", *limits))
    lines = [re.split(r"\s*[│┃]\s*", line)[1:-1] for line in capsys.readouterr().out.splitlines()]
    assert ["budget.traces_used", "20,000", "not reached: 0 traces at most"] in lines
    assert [line[1] for line in lines if line[:1] == ["budget.flops"]] == ["1.00e+09"]
    how = "128 questions x (1 greedy + 4 sampled) x 2"
    assert ["evaluation: hard", "1,280 solutions", how] in lines


def test_check_refuses_data_that_a_run_would_refuse_after_an_estimate_at_the_limits(
    load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    from hybrid_rl.tools.check import check_run

    train = ("~data.train", "+data.train={kind:file,path:nowhere.jsonl}")
    settings = load("method=grpo", "train.steps=10", *train)
    with pytest.raises(SettingsError, match=r"nowhere\.jsonl"):
        check_run(settings)
    told = capsys.readouterr().out
    assert "1,280" in told  # rollouts: 10 steps x 8 prompts x 16
    assert "lengths are the limits of the settings" in told
    assert "are valid" not in told


@pytest.mark.parametrize("method", ["bread", "bread_relift"])
def test_check_says_so_where_traces_give_a_search_few_prefixes(
    method: str, load: Load, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hybrid_rl.tools.check import check_run

    monkeypatch.setenv("COLUMNS", "400")
    remark = "64 of 64 traces give fewer than 4 prefixes"
    check_run(load(f"method={method}", "data=ledger_terse"))
    told = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("- method.") and remark in line for line in told) == 1
    check_run(load(f"method={method}", "data=ledger_verbose"))
    assert "prefixes" not in capsys.readouterr().out


def test_both_learning_rates_and_the_lengths_are_shown_with_what_is_the_toys(
    load: Load, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from hybrid_rl.tools.check import check_run
    from tests.fakes import text_model

    monkeypatch.setenv("COLUMNS", "200")
    own = (f"model.path={text_model.save(tmp_path / 'own')}", "data.max_prompt_tokens=128")
    typed = ["train.max_completion_tokens"]
    check_run(load("train.rl.warmup=0.1", *own, "train.max_completion_tokens=128"), typed)
    told = capsys.readouterr().out
    lines = [re.split(r"\s*[│┃]\s*", line)[1:-1] for line in told.splitlines()]
    assert ["learning rate of RL", "0.0002", "the toy's"] in lines
    assert ["learning rate of SFT", "0.0005", "the toy's"] in lines
    assert ["longest completion", "128 tokens", "train.max_completion_tokens"] in lines
    assert ["longest prompt", "128 tokens", "data.max_prompt_tokens"] in lines
    assert "Warning: train.rl.learning_rate = 0.0002, train.sft.learning_rate = 0.0005: are" in told
    rates = ("train.rl.learning_rate=1e-6", "train.sft.learning_rate=5e-5")
    check_run(load(*own, *rates, "train.max_completion_tokens=128"))
    large = "constant; as for a large model, since the name of model.path states no size"
    lines = [re.split(r"\s*[│┃]\s*", line)[1:-1] for line in capsys.readouterr().out.splitlines()]
    assert ["learning rate of RL", "1e-06", large] in lines
    assert ["learning rate of SFT", "5e-05", "constant"] in lines
    check_run(load("train.rl.warmup=0.1", "train.sft.warmup=20"))
    told = capsys.readouterr().out
    assert "constant, after a warm-up over 10%" in told
    assert "constant, after a warm-up over 20 steps" in told
    assert "Warning" not in told


def test_check_fails_where_the_model_has_no_chat_template_and_passes_with_one_by_name(
    load: Load, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from hybrid_rl.tools.check import check_run
    from tests.fakes import text_model

    model = text_model.save(tmp_path / "base")
    (model / "chat_template.jinja").unlink()
    own = (f"model.path={model}", "data.max_prompt_tokens=256", "train.max_completion_tokens=256")
    with pytest.raises(SettingsError) as caught:
        check_run(load("method=grpo", *own))
    assert str(caught.value) == (
        f"model.chat_template = null: the tokenizer of {model} has none either; set model.chat_template to one of"
        " plain, chatml, alpaca, to Jinja text, or to the path of a .jinja file"
    )
    told = capsys.readouterr().out
    assert "memory: sum" in told
    assert "are valid" not in told
    absent = ("~data.train", "+data.train={kind:file,path:nowhere.jsonl}")
    with pytest.raises(SettingsError, match=r"(?s)^model\.chat_template = null: .*nowhere\.jsonl"):
        check_run(load("method=grpo", *own, *absent))
    check_run(load("method=grpo", *own, "model.chat_template=plain"))
    assert "are valid" in capsys.readouterr().out


def test_check_fails_without_weights_and_where_their_quantisation_cannot_be_read(
    load: Load, tmp_path: Path
) -> None:
    from hybrid_rl.tools.check import check_run
    from tests.fakes import text_model

    model = text_model.save(tmp_path / "model")
    own = (f"model.path={model}", "data.max_prompt_tokens=256", "train.max_completion_tokens=256")
    config = json.loads((model / "config.json").read_text())
    quantized = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (model / "config.json").write_text(json.dumps(config | {"quantization_config": quantized}))
    with pytest.raises(SettingsError, match=r"quantised, and cannot be read here \(.*bitsandbytes"):
        check_run(load("method=grpo", *own))
    (model / "model.safetensors").unlink()
    with pytest.raises(SettingsError, match="has no safetensors weights"):
        check_run(load("method=grpo", *own))


def test_check_warns_where_this_machine_lacks_the_gpus(
    load: Load, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from hybrid_rl.tools.check import check_run

    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check_run(load("method=grpo", "hardware=gpu"))
    assert "Warning" not in capsys.readouterr().out
    check_run(load("method=grpo", "hardware=ddp"))
    assert "Warning: hardware.processes = 4: this machine has 1 GPUs" in capsys.readouterr().out


def test_check_warns_where_a_cpu_run_may_need_more_memory_than_there_is(
    load: Load, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hybrid_rl.tools import check

    def machine_of(gib: float) -> None:
        total = SimpleNamespace(total=gib * 2**30)
        monkeypatch.setattr("psutil.virtual_memory", lambda: total)

    monkeypatch.setenv("COLUMNS", "400")
    settings = load("method=grpo", "hardware.micro_batch=64")
    machine_of(64)
    check.check_run(settings)
    assert "Warning" not in capsys.readouterr().out
    machine_of(0.01)
    check.check_run(settings)
    told = capsys.readouterr().out
    assert "Warning: hardware.micro_batch = 64: the run may need" in told
    assert "and this machine has 0.0 GiB; set a smaller hardware.micro_batch" in told
