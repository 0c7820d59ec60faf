"""The chat templates that come with the package, as they write a prompt and a whole conversation."""

from pathlib import Path

import jinja2
import pytest

from hybrid_rl.config.chat_templates import BY_NAME
from tests.conftest import Load

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "1 + 1?"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "2 + 2?"},
]
WRITTEN = {
    "plain": "<s>Be brief.\n\nQuestion: 1 + 1?\nAnswer:\n2</s>\nQuestion: 2 + 2?\nAnswer:\n",
    "chatml": (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1 + 1?<|im_end|>\n"
        "<|im_start|>assistant\n2<|im_end|>\n<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n"
    ),
    "alpaca": (
        "<s>Be brief.\n\n### Instruction:\n1 + 1?\n\n### Response:\n2</s>\n\n"
        "### Instruction:\n2 + 2?\n\n### Response:\n"
    ),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_conversation_is_written_as_the_name_says(name: str) -> None:
    template = jinja2.Template(BY_NAME[name])
    given = {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True}
    assert template.render(messages=TALK, **given) == WRITTEN[name]


@pytest.mark.parametrize("name", BY_NAME)
def test_a_prompt_does_not_begin_with_the_question_where_there_is_no_beginning_token(
    name: str,
) -> None:
    written = jinja2.Template(BY_NAME[name]).render(messages=TALK[1:2])
    assert not written.startswith("1")


def test_the_name_of_a_template_is_no_path(load: Load, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()  # it lies in the directory of launch
    assert load("model.chat_template=plain").model.chat_template == "plain"
