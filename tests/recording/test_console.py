"""What is printed is a view: no failure of a console reaches the run."""

import subprocess
import sys

import pytest

PRINTING = """
import sys
from hybrid_rl.recording import console
console.as_a_view()
for number in range(100_000):
    print("a line of", number, flush=number % 1000 == 0)
    sys.stderr.write("and one of stderr \\u00e9\\n")
open(sys.argv[1], "w").write("done")
"""


@pytest.mark.parametrize(
    "shown", ["| head -1", "> /dev/full 2>&1", ">&- 2>&-", "2>&1 | true", "< /dev/null > /dev/null"]
)
def test_a_console_that_is_gone_or_full_fails_nothing(shown: str, tmp_path: object) -> None:
    where = f"{tmp_path}/done"
    command = f'{sys.executable} -c "$0" {where} {shown}; exit ${{PIPESTATUS[0]}}'
    ended = subprocess.run(["bash", "-c", command, PRINTING], capture_output=True, check=False)
    assert ended.returncode == 0
    with open(where, encoding="utf-8") as file:
        assert file.read() == "done"
