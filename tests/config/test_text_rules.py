"""Settings that are text: line breaks that were typed as a backslash and n."""

import pytest

from hybrid_rl.errors import SettingsError
from tests.conftest import Load


@pytest.mark.parametrize(
    "typed",
    [
        r"data.columns.prompt='{{ question }}\nAnswer:'",
        r"data.instruction='Think.\n\nThen answer.'",
        r"data.system='Be brief.\n'",
        r"model.chat_template='{% for m in messages %}{{ m.content }}\n{% endfor %}'",
    ],
)
def test_a_typed_backslash_and_n_is_refused_before_it_is_trained_on(typed: str, load: Load) -> None:
    name = typed.partition("=")[0]
    with pytest.raises(SettingsError) as raised:
        load(typed)
    [line] = str(raised.value).split("\n")
    assert line.startswith(f"{name} = ...")
    assert line.endswith(
        "has a backslash and n where a line break is meant; in bash type"
        f""" $'{name}="...\\n..."', which has a real one"""
    )


@pytest.mark.parametrize(
    "typed",
    [
        'data.columns.prompt="{{ question }}\n{{ question }}"',
        r"data.instruction='Use $\nu$, $\neq$, $\nabla_x$ and \boxed{}.'",
        r"""data.columns.prompt='{{ [question]|join("\n") }}'""",
    ],
)
def test_real_breaks_latex_and_breaks_within_expressions_are_taken(typed: str, load: Load) -> None:
    load(typed)
