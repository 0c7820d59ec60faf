"""Whether two readings of statements are equal: values, lists in any order, intervals, equations, matrices, words.

How expressions are compared, `equality` knows. It loads sympy.
"""

import re

import sympy  # type: ignore[import-untyped] # it has none

from hybrid_rl.verification.after_number import units_differ
from hybrid_rl.verification.equality import are_equal_expressions
from hybrid_rl.verification.structures import (
    Choice,
    Collection,
    Matrix,
    Ratio,
    Relation,
    Structure,
    Value,
    Words,
)

_NAME_OF_FUNCTION = re.compile(r"(\\?[A-Za-z]+)'?(?:_\{?\w+\}?)?\((\w)\)")
_DERIVATIVE = re.compile(
    r"\\frac\{(?:d|\\partial)(?:\^\{?[0-9]\}?)?(.+?)\}\{.*\}|\\d?dot\{(.+)\}|([^']+)'+"
)
_LOOSE = ("list", "{}")  # without an order
_COMPARISONS = {"<": ">", ">": "<", "le": "ge", "ge": "le"}


def same(gold: Structure, stated: Structure) -> bool:
    """Whether two readings are equal."""
    gold, stated = _joined(gold), _joined(stated)
    if isinstance(gold, Relation) or isinstance(stated, Relation):
        return _same_relation(gold, stated)
    if isinstance(gold, Ratio) or isinstance(stated, Ratio):
        return _same_ratio(gold, stated)
    if isinstance(gold, Collection) or isinstance(stated, Collection):
        return _same_collection(gold, stated)
    if isinstance(gold, Choice) and isinstance(stated, Choice):
        return gold.letter in (stated.letter, stated.letter.upper())
    if isinstance(gold, Choice) and isinstance(stated, Value):
        return str(stated.expression) == gold.letter
    if isinstance(stated, Choice) and isinstance(gold, Value):
        return str(gold.expression) == stated.letter
    if isinstance(gold, Value) and isinstance(stated, Value):
        return _same_value(gold, stated)
    if isinstance(gold, Matrix) and isinstance(stated, Matrix):
        return len(gold.rows) == len(stated.rows) and all(
            _all_same(one, other) for one, other in zip(gold.rows, stated.rows, strict=True)
        )
    if isinstance(gold, Words) and isinstance(stated, Words):
        return gold.text.replace(" ", "") == stated.text.replace(" ", "")
    return gold == stated


def _joined(found: Structure) -> Structure:
    """2 < x < 5 where "x > 2 and x < 5" is written; else what is there."""
    if not isinstance(found, Collection) or found.brackets != "and" or len(found.items) != 2:
        return found
    upward = [_upward(one) for one in found.items if isinstance(one, Relation)]
    below = next((one for one in upward if one and _is_symbol(one.sides[1])), None)
    above = next((one for one in upward if one and _is_symbol(one.sides[0])), None)
    if below is None or above is None or below.sides[1] != above.sides[0]:
        return found
    return Relation((*below.sides, above.sides[1]), (*below.signs, *above.signs), below.name)


def _upward(found: Relation) -> Relation | None:
    """An inequality of two sides with the lesser one first."""
    if len(found.sides) != 2 or found.signs[0] in ("<", "le"):
        return found if len(found.sides) == 2 else None
    return Relation(found.sides[::-1], (_COMPARISONS[found.signs[0]],), found.name)


def _is_symbol(found: Structure) -> bool:
    return isinstance(found, Value) and bool(found.expression.is_Symbol)


def _same_value(gold: Value, stated: Value) -> bool:
    """Whether values are equal; a known unit of one must be that of the other, if that has one."""
    if units_differ(gold.unit, stated.unit):
        return False
    if are_equal_expressions(gold, stated):
        return True
    if (gold.unit == "%") == (stated.unit == "%"):
        return False
    # A share between 0 and 1 may be written in percent.
    share, percent = (stated, gold) if gold.unit == "%" else (gold, stated)
    between = share.expression.is_Rational and 0 < share.expression < 1
    return bool(between and share.expression * 100 == percent.expression)


def _same_collection(gold: Structure, stated: Structure) -> bool:
    """Whether lists and sets have the same members in any order, and what is in other brackets the same in order."""
    if isinstance(gold, Collection) and isinstance(stated, Collection):
        gold, stated = _point(gold, stated), _point(stated, gold)
        if (gold.brackets in _LOOSE and stated.brackets in _LOOSE) or (
            gold.brackets == stated.brackets == "and"
        ):
            return _same_members(gold, stated)
        if gold.brackets == stated.brackets:
            return _all_same(gold.items, stated.items)
    # "(1, 2)" may be the only member of a list.
    if isinstance(gold, Collection) and gold.brackets in _LOOSE and len(gold.items) == 1:
        return same(gold.items[0], stated)
    if isinstance(stated, Collection) and stated.brackets in _LOOSE and len(stated.items) == 1:
        return same(gold, stated.items[0])
    return False


def _point(found: Collection, other: Collection) -> Collection:
    """The point (1, 2) where x = 1, y = 2 is written and the other one is in round brackets; else what is there."""
    if found.brackets != "list" or other.brackets != "()":
        return found
    named = {
        one.name: one.sides[1]
        for one in found.items
        if isinstance(one, Relation) and one.signs == ("=",) and len(one.name) == 1
    }
    names = "".join(sorted(named))
    in_a_row = bool(names) and names == "".join(chr(ord(names[0]) + at) for at in range(len(names)))
    if len(named) != len(found.items) or not in_a_row:
        return found
    return Collection("()", tuple(named[name] for name in names))


def _same_members(gold: Collection, stated: Collection) -> bool:
    if gold.brackets == stated.brackets == "list":
        gold, stated = _spread_names(gold), _spread_names(stated)
    left = list(stated.items)
    for one in gold.items:
        match = next((other for other in left if same(one, other)), None)
        if match is None:
            return False
        left.remove(match)
    return not left


def _spread_names(found: Collection) -> Collection:
    r"""x = 1, 2 as it is meant: without the name, where only the first of a list has one."""
    first = found.items[0] if found.items else None
    if (
        isinstance(first, Relation)
        and first.signs == ("=",)
        and not any(isinstance(one, Relation) for one in found.items[1:])
    ):
        return Collection("list", (first.sides[1], *found.items[1:]))
    return found


def _all_same(gold: tuple[Structure, ...], stated: tuple[Structure, ...]) -> bool:
    return len(gold) == len(stated) and all(
        same(one, other) for one, other in zip(gold, stated, strict=True)
    )


def _same_ratio(gold: Structure, stated: Structure) -> bool:
    if isinstance(gold, Ratio) and isinstance(stated, Ratio):
        return gold.sign == stated.sign and _all_same(gold.parts, stated.parts)
    ratio, other = (gold, stated) if isinstance(gold, Ratio) else (stated, gold)
    if not isinstance(ratio, Ratio) or not isinstance(other, Value):
        return False
    if ratio.sign == "mod":
        return same(ratio.parts[0], other)
    first, second = ratio.parts[0], ratio.parts[-1]
    if not isinstance(first, Value) or not isinstance(second, Value):
        return False
    # 1:2 is one half; a time of day, 10:30, is not one third.
    above, below = first.expression, second.expression
    lowest = len(ratio.parts) == 2 and below != 0 and sympy.gcd(above, below) == 1
    return bool(lowest and isinstance(gold, Ratio) and same(Value(above / below), other))


def _same_relation(gold: Structure, stated: Structure) -> bool:
    """Whether equations or inequalities are equal, or one of them gives what the other is."""
    if isinstance(gold, Relation) and isinstance(stated, Relation):
        return _same_relations(gold, stated)
    relation, other = (gold, stated) if isinstance(gold, Relation) else (stated, gold)
    if not isinstance(relation, Relation):
        return False
    if isinstance(other, Collection) and (interval := _interval(relation)) is not None:
        return same(interval, other)
    if set(relation.signs) == {"in"}:
        return isinstance(other, Collection) and same(relation.sides[-1], other)
    if set(relation.signs) != {"="}:
        return False
    if len(relation.sides) == 2 and _is_symbol(relation.sides[1]) and not _is_symbol(other):
        relation = Relation(relation.sides[::-1], relation.signs)  # 5 = x
    if _is_rounding(*relation.sides[-2:]) and same(relation.sides[-2], other):
        return True  # 2/3 = 0.667: what is rounded was stated, too
    if not _gives(relation, is_gold=isinstance(gold, Relation)):
        return False
    return same(relation.sides[-1], other)


def _is_rounding(exact: Structure, decimal: Structure) -> bool:
    """Whether a decimal number of any length is what a number without letters is when it is rounded to it."""
    if not isinstance(exact, Value) or not isinstance(decimal, Value) or decimal.digits is None:
        return False
    if exact.expression.free_symbols or not exact.expression.is_real:
        return False
    half = sympy.Rational(1, 2) * sympy.Integer(10) ** decimal.places
    return bool(abs(exact.expression.evalf(30) - decimal.expression) <= half)


def _gives(relation: Relation, is_gold: bool) -> bool:
    """Whether an equation says what its last side is: x = 5 does, x^2 - 4 = 0 and 4 = 5 do not."""
    first, last = relation.sides[0], relation.sides[-1]
    if _NAME_OF_FUNCTION.fullmatch(relation.name) or not isinstance(first, Value):
        return True
    left = first.expression
    if left.is_Symbol:
        return not _is_differential(str(left), last)
    if is_gold or not isinstance(last, Value):
        return False
    if not left.free_symbols:
        return not left.is_Rational or not last.expression.is_Rational or left == last.expression
    if last.expression == 0:
        return False
    # 2x = 10 is still to be solved for x; m + n = 10 is not, and neither is f(2) = 10.
    of_one = (
        len(left.free_symbols) == 1
        and left.is_polynomial()
        and re.match(r"[A-Za-z]\w*\(", relation.name) is None
    )
    return not of_one


def _is_differential(name: str, last: Structure) -> bool:
    """Whether an equation is one for a function, whose derivative `name` is."""
    found = _DERIVATIVE.fullmatch(name)
    unknown = found and (found[1] or found[2] or found[3])
    return isinstance(last, Value) and unknown in {str(one) for one in last.expression.free_symbols}


def _same_relations(gold: Relation, stated: Relation) -> bool:
    if "in" in (*gold.signs, *stated.signs) or {*gold.signs, *stated.signs} - {"=", "neq"}:
        one, other = _interval(gold), _interval(stated)
        if one is not None and other is not None:
            return same(_variable(gold), _variable(stated)) and same(one, other)
    if len(gold.sides) != len(stated.sides):
        if set(gold.signs) | set(stated.signs) != {"="}:
            return False
        gold, stated = _ends(gold), _ends(stated)
    if gold.signs == stated.signs and _all_same(gold.sides, stated.sides):
        return True
    if len(gold.signs) != 1 or len(stated.signs) != 1:
        turned = tuple(_COMPARISONS.get(sign, sign) for sign in reversed(stated.signs))
        return gold.signs == turned and _all_same(gold.sides, stated.sides[::-1])
    if _same_function(gold, stated):
        return True
    differences = [_difference(one) for one in (gold, stated)]
    if None in differences:
        return False
    scale = _constant_quotient(*differences)
    if scale is None:
        return False
    if gold.signs == ("=",) or gold.signs == ("neq",):
        return gold.signs == stated.signs
    sign = stated.signs[0] if scale > 0 else _COMPARISONS.get(stated.signs[0])
    return bool(scale.is_real) and gold.signs[0] == sign


def _ends(relation: Relation) -> Relation:
    return Relation((relation.sides[0], relation.sides[-1]), ("=",), relation.name)


def _same_function(gold: Relation, stated: Relation) -> bool:
    """Whether f(n) = 2n and f(x) = 2x are given: one function, whatever its variable is called."""
    one, other = (_NAME_OF_FUNCTION.fullmatch(relation.name) for relation in (gold, stated))
    if not one or not other or one[1] != other[1] or gold.signs != ("=",) or stated.signs != ("=",):
        return False
    first, second = gold.sides[1], stated.sides[1]
    if not isinstance(first, Value) or not isinstance(second, Value):
        return False
    renamed = second.expression.subs(sympy.Symbol(other[2]), sympy.Symbol(one[2]))
    return same(first, Value(renamed))


def _difference(relation: Relation) -> sympy.Expr | None:
    first, second = relation.sides
    if not isinstance(first, Value) or not isinstance(second, Value):
        return None
    return first.expression - second.expression


def _constant_quotient(one: sympy.Expr, other: sympy.Expr) -> sympy.Expr | None:
    """The number that one expression is times the other, which are those of two equations; None where it is none."""
    if one.free_symbols != other.free_symbols or not one.free_symbols:
        return None
    for above, below in ((one, other), (_numerator(one), _numerator(other))):
        if below == 0:
            return None
        quotient = sympy.cancel(above / below)
        if not quotient.free_symbols and quotient != 0:
            return quotient
    return None


def _numerator(expression: sympy.Expr) -> sympy.Expr:
    return sympy.expand(sympy.fraction(sympy.together(expression))[0])


def _variable(relation: Relation) -> Structure:
    """The side of an inequality, or of x in I, that is no bound."""
    if len(relation.sides) == 3:
        return relation.sides[1]
    return next(
        (side for side in relation.sides if isinstance(side, Value) and side.expression.is_Symbol),
        relation.sides[0],
    )


def _interval(relation: Relation) -> Structure | None:
    """The interval in which an inequality, or x in I, puts its one variable; None where it does not."""
    signs, sides = relation.signs, relation.sides
    if signs == ("in",):
        return sides[1] if isinstance(sides[0], Value) and sides[0].expression.is_Symbol else None
    if not set(signs) <= set(_COMPARISONS) or not all(isinstance(side, Value) for side in sides):
        return None
    if signs[0] in (">", "ge"):
        signs, sides = tuple(_COMPARISONS[sign] for sign in reversed(signs)), sides[::-1]
    if not set(signs) <= {"<", "le"}:
        return None
    infinite = Value(sympy.oo)
    if len(sides) == 2:
        inside = sides[0].expression  # type: ignore[union-attr]
        if isinstance(inside, sympy.Abs) and inside.args[0].is_Symbol:
            bound = sides[1].expression  # type: ignore[union-attr]
            sides, signs = (Value(-bound), Value(inside.args[0]), sides[1]), (signs[0], signs[0])
    if len(sides) == 2:
        if sides[0].expression.is_Symbol and not sides[1].expression.free_symbols:  # type: ignore[union-attr]
            sides, signs = (Value(-sympy.oo), *sides), ("<", *signs)
        elif sides[1].expression.is_Symbol and not sides[0].expression.free_symbols:  # type: ignore[union-attr]
            sides, signs = (*sides, infinite), (*signs, "<")
        else:
            return None
    if len(sides) != 3 or not sides[1].expression.is_Symbol:  # type: ignore[union-attr]
        return None
    brackets = ("(" if signs[0] == "<" else "[") + (")" if signs[1] == "<" else "]")
    return Collection(brackets, (sides[0], sides[2]))
