"""Expression: the conditions and values of a flow, in a grammar so small that nothing but data is within its reach.

    facts.confidence >= 0.8 and not given(facts.dates.appeal_deadline)
    route in ["appeal", "resubmit"] or len(reasons) > 2

Names, members (`a.b`, `a["b"]`, `a[0]`, `a[-1]`), texts, numbers, true, false, null, lists and objects, comparisons, `in`, `and`,
`or`, `not`, `len(x)`, and `given(x)`, which is false where a step of the path is missing and where there is null or nothing.
There is no arithmetic, no other call, no loop, so an expression ends in as many steps as it has parts. It is read by Python's own
parser and walked by hand; what the walk has no row for is refused when the flow is read, not when it runs.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from backstay.errors import ConfigurationError

LONGEST: Final = 500
"""Characters; keeps the parser's recursion small."""

WORDS: Final[Mapping[str, Any]] = {"true": True, "false": False, "null": None}
FUNCTIONS: Final = ("given", "len")
COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}


class _Missing(Exception):
    """A name or a member that is not there."""


class Expression(msgspec.Struct, frozen=True):
    """A checked expression. `names` are what it reads; `parse_expression` makes one."""

    text: str
    names: frozenset[str]
    tree: ast.expr

    def value(self, state: Mapping[str, Any]) -> Any:
        """Its value over `state`, which is JSON data. Raises ConfigurationError for what is missing or not comparable."""
        try:
            return _value(self.tree, state)
        except _Missing as error:
            raise ConfigurationError(f"{self.text!r}: {error}") from None
        except TypeError as error:
            raise ConfigurationError(f"{self.text!r}: {error}") from None

    def is_true(self, state: Mapping[str, Any]) -> bool:
        """Whether its value counts as true: not false, null, 0 or empty."""
        return bool(self.value(state))


def parse_expression(text: str) -> Expression:
    """`text` as an Expression. Raises ConfigurationError that names the part that is not allowed."""
    if len(text) > LONGEST:
        raise ConfigurationError(f"{text[:40]!r}...: has {len(text):,} characters; the most is {LONGEST:,}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigurationError(f"{text!r}: is no expression: {getattr(error, 'msg', error)}") from None
    faults: list[str] = []
    names: set[str] = set()
    _check(tree, faults, names)
    if faults:
        raise ConfigurationError(*(f"{text!r}: {fault}" for fault in dict.fromkeys(faults)))
    return Expression(text.strip(), frozenset(names - WORDS.keys()), tree)


def _check(node: ast.expr, faults: list[str], names: set[str]) -> None:
    """Note what is not allowed in `node`, and the names that it reads."""
    children: list[ast.expr | None] = []
    match node:
        case ast.Constant(value=str() | bool() | int() | float() | None):
            pass
        case ast.Name(id=name):
            names.add(name)
        case ast.Attribute(value=inner):
            children = [inner]
        case ast.Subscript(value=inner, slice=ast.Constant(value=str() | int())):
            children = [inner]
        case ast.Subscript(value=inner, slice=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int()))):
            children = [inner]
        case ast.BoolOp(values=values) | ast.List(elts=values):
            children = [*values]
        case ast.Dict(keys=keys, values=values) if all(isinstance(key, ast.Constant) for key in keys):
            children = [*keys, *values]
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            children = [inner]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=(int() | float()) as number)) if not isinstance(
            number, bool
        ):
            pass
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in COMPARISONS for op in ops):
            children = [left, *others]
        case ast.Call(func=ast.Name(id=("given" | "len")), args=[only], keywords=[]):
            children = [only]
        case _:
            faults.append(f"{ast.unparse(node)!r} is not allowed here")
    for child in children:
        if child is not None:
            _check(child, faults, names)


def _value(node: ast.expr, state: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return _named(name, state)
        case ast.Attribute(value=inner, attr=member):
            return _member(_value(inner, state), member, node)
        case ast.Subscript(value=inner, slice=index):
            return _member(_value(inner, state), ast.literal_eval(index), node)
        case ast.BoolOp(op=op, values=values):
            return _either(values, state, stop_at=isinstance(op, ast.Or))
        case ast.List(elts=values):
            return [_value(one, state) for one in values]
        case ast.Dict(keys=keys, values=values):
            return {_value(key, state): _value(one, state) for key, one in zip(keys, values, strict=True) if key}
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _value(inner, state)
        case ast.UnaryOp():
            return ast.literal_eval(node)
        case ast.Compare():
            return _compare(node, state)
        case ast.Call(func=ast.Name(id=function), args=[only]):
            return _given(only, state) if function == "given" else len(_value(only, state))
    raise AssertionError(f"{ast.dump(node)} was not checked")


def _named(name: str, state: Mapping[str, Any]) -> Any:
    if name in WORDS:
        return WORDS[name]
    if name not in state:
        raise _Missing(f"there is no {name} yet; there is {', '.join(sorted(state)) or 'nothing'}")
    return state[name]


def _member(value: Any, member: str | int, node: ast.expr) -> Any:
    if isinstance(value, Mapping) and member in value:
        return value[member]
    if isinstance(value, list) and isinstance(member, int) and -len(value) <= member < len(value):
        return value[member]
    raise _Missing(f"there is no {ast.unparse(node)}")


def _either(values: list[ast.expr], state: Mapping[str, Any], *, stop_at: bool) -> Any:
    value: Any = None
    for one in values:
        value = _value(one, state)
        if bool(value) is stop_at:
            break
    return value


def _compare(node: ast.Compare, state: Mapping[str, Any]) -> bool:
    left = _value(node.left, state)
    for op, other in zip(node.ops, node.comparators, strict=True):
        right = _value(other, state)
        if not COMPARISONS[type(op)](left, right):
            return False
        left = right
    return True


def _given(node: ast.expr, state: Mapping[str, Any]) -> bool:
    try:
        return _value(node, state) not in (None, "", [], {})
    except _Missing:
        return False
