"""One spelling for what is written in many ways."""

import pytest

from hybrid_rl.verification.notation import ascii_digits, canonical, plain


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        (r"1\,234\,567", "1234567"),
        (r"10,\!000", "10000"),
        (r"1{,}234", "1,234"),
        ("1\u202f234", "1,234"),
        ("2\u00bd", "2 1/2"),
        ("1.5 \u00d7 10\u207b\u00b3", r"1.5 \cdot 10^{-3}"),
        ("x\u2081\u00b2", "x_{1}^{2}"),
        ("45\u00b0", r"45 \deg"),
        (r"45^{\circ}", r"45 \deg"),
        ("\u221a(2)", r"\sqrt (2)"),
        ("\u22125", "-5"),
        (r"\text{AB}_{16}", "AB _{16}"),
        (r"5\ \mathrm{m}", r"5 \unit {m}"),
        (r"5 \mathrm{~cm}", "5 cm"),
        (r"\textcolor{blue}{\mathbf{5}}", "{ 5 }"),
        (r"\$18", "$18"),
        ("\u20ac18", "$18"),
        (r"y^{\prime\prime}", "y''"),
        ("**42**", "42"),
        ("~~5~~ 6", "6"),
        ("<del>5</del> 6", "6"),
        (r"\cancel{4}6", "6"),
        ("Rs. 18", "$18"),
        (r"1 \\[4pt] 2", r"1 \\ 2"),
        (r"\angle ABC = 60", "ABC = 60"),
        ("2**3", "2**3"),
    ],
)
def test_written_mathematics_gets_one_spelling(written: str, spelled: str) -> None:
    assert plain(written) == spelled


def test_digits_of_every_script_are_digits() -> None:
    assert ascii_digits("\u0664\uff12\u00b2") == "42\u00b2"


def test_what_keeps_the_meaning_apart_is_kept() -> None:
    assert canonical("x ^{2}  + 1.") == canonical("x^2+1")
    assert canonical("2 1/2") != canonical("21/2")
