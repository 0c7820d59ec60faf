"""Rules between settings of different groups: guards and engines of generation."""

import pytest
from conftest import Load

from hybrid_rl.settings import SettingsError

REFUSED = [
    (
        ["hardware.deepspeed={zero_optimization:{stage:2}}", "guards.non_finite=skip"],
        "guards.non_finite = skip: DeepSpeed updates the weights within its backward pass, too early to leave an update"
        " out; set guards.non_finite=stop, or hardware.deepspeed=null",
    ),
]


@pytest.mark.parametrize(("overrides", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_settings_that_do_not_fit_together_are_refused(
    load: Load, overrides: list[str], message: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(*overrides)
    assert message in str(refused.value).splitlines()
