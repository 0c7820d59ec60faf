"""An exception of a user's function is told with the last line of it that lies in a file of the user's."""

import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import CodeType

import pytest

from hybrid_rl.verification import raised, verifier
from hybrid_rl.verification.verifier import PlainFunction, judge_by
from tests.fakes.reward import settings

SOURCE = """import json

def read(text):
    return json.loads(text)

def verify(answer, text):
    return read(text) - answer
"""


def written(path: str) -> Callable[[str, str], float]:
    names: dict[str, Callable[[str, str], float]] = {}
    code: CodeType = compile(SOURCE, path, "exec")
    exec(code, names)
    return names["verify"]


def test_the_last_line_of_the_users_own_is_told_and_none_of_a_library() -> None:
    mine = PlainFunction(written("/home/me/my_bad.py"))
    assert judge_by(mine, "5", "5").error == (
        "TypeError: unsupported operand type(s) for -: 'int' and 'str' (my_bad.py:7)"
    )
    assert judge_by(mine, "5", "?").error == (
        "JSONDecodeError: Expecting value: line 1 column 1 (char 0) (my_bad.py:4)"
    )


def test_an_installed_function_is_told_where_no_other_is() -> None:
    installed = written(f"{sysconfig.get_path('purelib')}/theirs/reward.py")
    assert str(judge_by(PlainFunction(installed), "5", "5").error).endswith("(reward.py:7)")
    code = compile("def verify(answer, text):\n    return theirs(answer, text)", "me.py", "exec")
    names = {"theirs": installed}
    exec(code, names)
    assert str(judge_by(PlainFunction(names["verify"]), "5", "5").error).endswith("(me.py:2)")


def test_an_error_of_this_package_and_one_that_was_never_raised_have_no_place() -> None:
    mine = PlainFunction(lambda answer, text, unit: True)
    assert str(judge_by(mine, "5", "5").error).endswith("argument: 'unit'")
    assert raised.told(KeyError("a")) == "KeyError: 'a'"


def test_a_module_that_fails_while_it_is_imported_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "halfway_there.py").write_text("import json\n\njson.nothing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AttributeError) as found:
        verifier.find(settings("exact", verifier="halfway_there.verify"))
    assert raised.told(found.value).endswith("(halfway_there.py:3)")
    with pytest.raises(ModuleNotFoundError) as missing:
        verifier.find(settings("exact", verifier="nowhere_at_all.verify"))
    assert missing.value.__traceback__ is not None
    error = missing.value.with_traceback(missing.value.__traceback__.tb_next)  # less this test
    assert raised.told(error) == "ModuleNotFoundError: No module named 'nowhere_at_all'"
