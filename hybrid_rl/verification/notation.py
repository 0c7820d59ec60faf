r"""Brings written mathematics to one spelling: ½, \tfrac12 and \dfrac{1}{2} become the same text.

What it returns is no LaTeX any more: every `$` is a currency sign, words in \text{} stand bare, units of one letter
are \unit{m}, spaces are blanks. It knows no grammar; each step is a table or a pattern, applied to a text of bounded
length.
"""

import re
import unicodedata

_SPELLED = {
    "√": r"\sqrt ", "∛": r"\sqrt[3] ", "∞": r"\infty ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ",
    "∅": r"\emptyset ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\neq ", "⩽": r"\le ", "⩾": r"\ge ", "±": r"\pm ",
    "∓": r"\mp ", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ", "∗": r"\cdot ",
    "÷": r"\div ", "⁄": "/", "∕": "/", "≈": r"\approx ", "…": r"\dots ", "⋯": r"\dots ", "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "°": r"^\circ ",
    "º": r"^\circ ", "˚": r"^\circ ", "′": "'", "″": "''", "’": "'", "‘": "'", "“": '"', "”": '"', "⌊": r"\lfloor ",
    "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "→": r"\to ", "∣": "|", "∧": r"\land ", "∨": r"\lor ",
    "，": ",", "、": ",", "；": ";", "：": ":", "。": ".", "€": r"\$", "£": r"\$", "¥": r"\$", "₹": r"\$", "￥": r"\$",
    "\u200b": "", "\u2061": "", "\u2062": "", "\ufeff": "", "ℏ": r"\hbar ", "ℓ": r"\ell ", "∂": r"\partial ",
} | dict.fromkeys("\u2212\ufe63\uff0d\u2010\u2011\u2012\u2013\u2014", "-")  # fmt: skip
_GREEK = {
    chr(code): rf"\{name} "
    for name in "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi"
    " omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega".split()
    for code in [ord(unicodedata.lookup(
        f"GREEK {'SMALL' if name.islower() else 'CAPITAL'} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}"
    ))]
}  # fmt: skip
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-", strict=True))
_RAISED_RUN = re.compile(f"[{''.join(_RAISED)}]+")
_LOWERED_RUN = re.compile(f"[{''.join(_LOWERED)}]+")
_THIN_SPACES = re.compile(r"(?<=[0-9])[\u00a0\u202f\u2009](?=[0-9]{3}(?![0-9]))")

_SAME = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "dbinom": "binom", "tbinom": "binom", "leq": "le", "geq": "ge",
    "leqslant": "le", "geqslant": "ge", "leqq": "le", "geqq": "ge", "ne": "neq", "varnothing": "emptyset",
    "ldots": "dots", "cdots": "dots", "dotsc": "dots", "dotsb": "dots", "times": "cdot", "ast": "cdot",
    "lvert": "vert", "rvert": "vert", "mid": "vert", "lbrack": "[", "rbrack": "]", "lbrace": r"\{", "rbrace": r"\}",
    "lt": "<", "gt": ">", "colon": ":", "varphi": "phi", "varepsilon": "epsilon", "vartheta": "theta", "infin": "infty",
    "land": "and", "lor": "or", "wedge": "and", "vee": "or", "degree": "circ", "percent": "%", "dollar": "$",
    "pounds": "$", "euro": "$", "textdollar": "$", "textdegree": "circ", "lparen": "(", "rparen": ")",
    "simeq": "approx",
    "textasciitilde": " ", "approxeq": "approx", "bmod": "mod", "And": "and", "Or": "or", "imath": "i",
}  # fmt: skip
_BLANK = {
    "quad",
    "qquad",
    "thinspace",
    "enspace",
    "space",
    "medspace",
    "thickspace",
    "nobreakspace",
    "hfill",
}
_NOTHING = {
    "left", "right", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "Biggl", "Biggr",
    "displaystyle", "textstyle", "scriptstyle", "limits", "nolimits", "bf", "rm", "it", "sf", "middle", "nonumber",
    "centering", "boldmath", "large", "Large", "LARGE", "small", "normalsize", "negthinspace", "allowbreak",
    "ensuremath", "angle", "measuredangle",
}  # fmt: skip
_FONTS = (
    "mathbf|boldsymbol|bm|mathit|mathsf|mathtt|mathcal|mathscr|pmb|underline|uline|underbar|boxed|fbox|framebox|text|mbox"
    "|textbf|textit|textrm|texttt|textsf|textsc|textnormal|emph|mathrm|rm|hbox|operatorname\\*?|mathop|mathnormal"
    "|textcolor|color|colorbox|bold|tag|phantom|hphantom|vphantom|hspace\\*?|vspace\\*?|label|fcolorbox|cancel|bcancel|xcancel|sout|st"
)
_WRAPPED = re.compile(rf"\\({_FONTS})\s*\{{([^{{}}]*)\}}")
_DROPPED = re.compile(r"\\(?:textcolor|color|colorbox)\s*\{[^{}]*\}|\\color\s*[a-z]+\b")
_HIDDEN = {
    "tag",
    "phantom",
    "hphantom",
    "vphantom",
    "hspace",
    "vspace",
    "label",
    "hspace*",
    "vspace*",
    "tag*",
    "cancel",
    "bcancel",
    "xcancel",
    "sout",
    "st",
}
_OPERATOR = {"operatorname", "operatorname*", "mathop"}
_WORDS = {
    "text",
    "mbox",
    "textbf",
    "textit",
    "textrm",
    "texttt",
    "textsf",
    "textsc",
    "textnormal",
    "emph",
    "mathrm",
}
_UNIT_LETTERS = "mgslLhNJWVACFKT"
_COMMAND = re.compile(r"\\([A-Za-z]+)\s?")
_SEPARATED = re.compile(r"(?<![0-9.,])([0-9]{1,3})((?:(?:\\[, ;:]|~)\s?[0-9]{3})+)(?![0-9])")
_COMMA_GROUPS = re.compile(r"(?<![0-9.,])([0-9]{1,3})((?:,\s?[!]\s?[0-9]{3})+)(?![0-9])")
_EMPHASIS = re.compile(r"(?<![\w)])(?:\*\*|__)|(?:\*\*|__)(?![\w(])|`+")
_ENVIRONMENT = re.compile(
    r"\\(?:begin|end)\s*\{(?:align|aligned|equation|gather|gathered|split|multline|center|displaymath|math)\*?\}"
)
_CIRCLE = re.compile(r"\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))")
_RUPEES = re.compile(r"\bRs\.?\s?(?=[0-9])")
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~|<(del|s|strike)>[^<>\n]{0,200}</\1>", re.IGNORECASE)
_ROW_SPACE = re.compile(r"\\\\\s*\[\s*-?[0-9.]+\s*(?:pt|em|ex|mm|cm|in)\s*\]")
_PRIMES = re.compile(r"\^\s*(?:\{((?:\s*\\prime)+)\s*\}|\\prime(?![A-Za-z]))")


def plain(text: str) -> str:
    """The text in the one spelling; what is not understood stays as it is."""
    if not text.isascii():
        text = _ascii(text)
    if "Rs" in text:
        text = _RUPEES.sub(r"\\dollar ", text)
    if "~~" in text or "<" in text:
        text = _STRUCK.sub(" ", text)
    if "*" in text or "_" in text or "`" in text:
        text = _EMPHASIS.sub(" ", text)
    if "\\" in text or "{" in text or "~" in text:
        text = _without_latex(text)
    return " ".join(text.split())


def ascii_digits(text: str) -> str:
    """`text` with the digits of every script in ASCII. Superscripts and ½ are no digits in this sense."""
    return "".join(str(unicodedata.decimal(char, char)) for char in text)


def canonical(text: str) -> str:
    """A plain text without what does not change its meaning, to see whether two statements are written alike."""
    text = re.sub(r"(?<=[A-Za-z0-9])\s+(?=[A-Za-z0-9])", "\0", text)
    text = "".join(text.replace("$", "").split())
    return re.sub(r"(?<=[\^_])\{([A-Za-z0-9])\}", r"\1", text).replace("\0", " ").rstrip(".,;")


def _ascii(text: str) -> str:
    text = _THIN_SPACES.sub(",", text)
    text = _RAISED_RUN.sub(
        lambda run: "^{" + "".join(_RAISED[char] for char in run.group()) + "}", text
    )
    text = _LOWERED_RUN.sub(
        lambda run: "_{" + "".join(_LOWERED[char] for char in run.group()) + "}", text
    )
    return "".join(char if char.isascii() else _ascii_char(char) for char in text)


def _ascii_char(char: str) -> str:
    """One character in ASCII where that has the same meaning: digits of all scripts, ½, π, mathematical letters."""
    if (digit := unicodedata.decimal(char, None)) is not None:
        return str(digit)
    if (spelled := _SPELLED.get(char) or _GREEK.get(char)) is not None:
        return spelled
    if char in _SPELLED:
        return ""
    same = unicodedata.normalize("NFKC", char)
    if "\u2044" in same:
        return f" {same.replace(chr(0x2044), '/')} "
    if same.isascii() and len(same) == 1:
        return same
    return _GREEK.get(same, char)


def _without_latex(text: str) -> str:
    text = _ROW_SPACE.sub(r"\\\\", _ENVIRONMENT.sub(" ", text))
    text = text.replace("{,}", ",").replace("\\!", "!!" if ",\\!" in text else "")
    # "10,\!000": the mark says that the comma separates no list.
    text = (
        _COMMA_GROUPS.sub(_joined, text.replace(",!!", ",!")).replace("!!", "").replace(",!", ",")
    )
    text = _SEPARATED.sub(_joined, text)
    text = re.sub(r"\\(?:left|right)\s*\.", "", text)
    text = text.replace("\\\\", "\0")  # the end of a row of a matrix
    text = re.sub(r"\\[,;: \n]|~", " ", text.replace("\\$", " \\dollar ").replace("\\%", "%"))
    text = _DROPPED.sub("", text)
    for _ in range(8):
        text, changed = _WRAPPED.subn(_unwrapped, text)
        if not changed:
            break
    text = _CIRCLE.sub("\xb0", text)
    text = _PRIMES.sub(lambda found: "'" * max(1, (found[1] or "").count("prime")), text)
    text = _COMMAND.sub(_respelled, text)
    return text.replace("\\circ", "\xb0").replace("\0", "\\\\").replace("\xb0", " \\deg ")


def _joined(found: re.Match[str]) -> str:
    return found[1] + re.sub("[^0-9]", "", found[2])


def _respelled(found: re.Match[str]) -> str:
    name = found[1]
    if name in _NOTHING:
        return ""
    if name in _BLANK:
        return "  "
    same = _SAME.get(name, name)
    return f"\\{same} " if same.isalpha() else same


def _unwrapped(found: re.Match[str]) -> str:
    r"""The contents of \text{} and its like; a single letter after a value may be a unit."""
    name, content = found[1], found[2]
    if name in _HIDDEN:
        return " "
    if name in _OPERATOR:
        return f"\\{content.strip()} " if content.strip().isalpha() else content
    if name not in _WORDS:
        return f"{{{content}}}" if name in ("mathcal", "mathscr") else f" {content} "
    bare = content.strip()
    before = found.string[: found.start()].rstrip()
    if len(bare) == 1 and bare in _UNIT_LETTERS and before[-1:] and before[-1] in "0123456789}":
        return f" \\unit{{{bare}}} "
    return f" {content} " if any(char.isalpha() for char in bare) else content
