"""Small wrong programs: one operator, comparison, constant, condition, return or statement of a module changed.

Whatever such a change does, some test should notice. Left alone are texts for people (docstrings, what is raised),
types, decorators and names that are exported: a change there says nothing about the tests.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Mutant", "mutants_of"]

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_FOR_PEOPLE = frozenset({"repr"})
"""Keywords that only change what is shown."""
_CONDITIONS = (ast.Name, ast.Call, ast.Attribute)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: in the function `where`, at `line`, `before` became `after`; `source` is the whole changed module."""

    where: str
    line: int
    kind: str
    before: str
    after: str
    source: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What names it as long as the function is not rewritten, wherever in the file it moves."""
        return self.where, self.before, self.after


def mutants_of(source: str) -> list[Mutant]:
    """Return every mutant of a module that still compiles, in the order of the source."""
    found = [mutant for mutant in _Search(source).mutants() if _compiles(mutant.source)]
    return sorted(found, key=lambda mutant: (mutant.line, mutant.before, mutant.after))


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


class _Search:
    """Walks one module and remembers where it is."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._lines = source.splitlines(keepends=True)
        self._tree = ast.parse(source)

    def mutants(self) -> Iterator[Mutant]:
        """Yield every change."""
        yield from self._body(self._tree.body, "")

    def _body(self, body: list[ast.stmt], where: str) -> Iterator[Mutant]:
        for statement in body:
            yield from self._statement(statement, where)

    def _statement(self, statement: ast.stmt, where: str) -> Iterator[Mutant]:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{where}.{statement.name}" if where else statement.name
            if not isinstance(statement, ast.ClassDef):
                for default in (*statement.args.defaults, *filter(None, statement.args.kw_defaults)):
                    yield from self._expression(default, inner)
            yield from self._body(statement.body, inner)
            return
        if self._is_left_alone(statement):
            return
        yield from self._removed(statement, where)
        if isinstance(statement, ast.Raise):
            return  # what it says is for people
        if isinstance(statement, ast.Return) and statement.value is not None and not _is_none(statement.value):
            yield self._replaced(statement, "return", "return None", where)
        for field, value in ast.iter_fields(statement):
            if field != "annotation":
                for part in value if isinstance(value, list) else [value]:
                    yield from self._part(part, where, is_test=field == "test")

    def _part(self, part: object, where: str, *, is_test: bool) -> Iterator[Mutant]:
        """Yield the changes inside one part of a statement."""
        if isinstance(part, ast.stmt):
            yield from self._statement(part, where)
        elif isinstance(part, ast.ExceptHandler | ast.match_case):
            yield from self._body(part.body, where)
        elif isinstance(part, ast.withitem):
            yield from self._expression(part.context_expr, where)
        elif isinstance(part, ast.expr):
            yield from self._expression(part, where, is_test=is_test)

    @staticmethod
    def _is_left_alone(statement: ast.stmt) -> bool:
        if isinstance(statement, ast.Import | ast.ImportFrom | ast.Assert):
            return True
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return True  # a docstring
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            return True
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.annotation) in {"TypeAlias", "ClassVar"}:
            return True
        names = [ast.unparse(target) for target in getattr(statement, "targets", ())]
        return bool({"__all__", "__slots__", "__hash__"} & set(names)) or any(
            isinstance(value, ast.Call) and ast.unparse(value.func) in {"TypeVar", "ParamSpec", "getLogger"}
            for value in [getattr(statement, "value", None)]
        )

    def _removed(self, statement: ast.stmt, where: str) -> Iterator[Mutant]:
        """Yield the module without this statement, where it can be done without."""
        is_call = isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Yield | ast.YieldFrom)
        keeps = isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Attribute | ast.Subscript)
        if is_call or keeps or isinstance(statement, ast.AugAssign | ast.Raise | ast.Delete):
            yield self._replaced(statement, "remove", "pass", where)
        elif isinstance(statement, ast.Break | ast.Continue):
            other = "continue" if isinstance(statement, ast.Break) else "break"
            yield self._replaced(statement, "loop", other, where)

    def _expression(self, expression: ast.expr, where: str, *, is_test: bool = False) -> Iterator[Mutant]:
        for kind, after in _changes(expression, is_test=is_test):
            yield self._replaced(expression, kind, after, where)
        if isinstance(expression, ast.JoinedStr):
            return
        for field, value in ast.iter_fields(expression):
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, ast.keyword):
                    if part.arg not in _FOR_PEOPLE:
                        yield from self._expression(part.value, where)
                elif isinstance(part, ast.comprehension):
                    for inner in (part.iter, *part.ifs):
                        yield from self._expression(inner, where, is_test=inner is not part.iter)
                elif isinstance(part, ast.expr) and not (field == "slice" and isinstance(part, ast.Constant)):
                    yield from self._expression(part, where, is_test=field == "test")

    def _replaced(self, node: ast.expr | ast.stmt, kind: str, after: str, where: str) -> Mutant:
        before = ast.get_source_segment(self._source, node) or ast.unparse(node)
        wrapped = f"({after})" if isinstance(node, ast.expr) else after
        start = self._offset(node.lineno, node.col_offset)
        end = self._offset(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
        data = self._source.encode()
        source = (data[:start] + wrapped.encode() + data[end:]).decode()
        return Mutant(where or "module", node.lineno, kind, " ".join(before.split()), after, source)

    def _offset(self, line: int, column: int) -> int:
        return sum(len(text.encode()) for text in self._lines[: line - 1]) + column


def _is_none(expression: ast.expr) -> bool:
    return isinstance(expression, ast.Constant) and expression.value is None


def _changes(expression: ast.expr, *, is_test: bool) -> Iterator[tuple[str, str]]:
    """Yield kind and text of what may stand in the place of an expression."""
    if isinstance(expression, ast.Compare) and len(expression.ops) == 1:
        for operator in _COMPARISONS[type(expression.ops[0])]:
            yield "compare", ast.unparse(ast.Compare(expression.left, [operator()], expression.comparators))
    elif isinstance(expression, ast.BinOp) and type(expression.op) in _OPERATORS:
        yield "operator", ast.unparse(ast.BinOp(expression.left, _OPERATORS[type(expression.op)](), expression.right))
    elif isinstance(expression, ast.BoolOp):
        other = ast.Or() if isinstance(expression.op, ast.And) else ast.And()
        yield "boolean", ast.unparse(ast.BoolOp(other, expression.values))
    elif isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.Not | ast.USub):
        yield "unary", ast.unparse(expression.operand)
    elif isinstance(expression, ast.IfExp):
        yield "choice", ast.unparse(ast.IfExp(expression.test, expression.orelse, expression.body))
    elif isinstance(expression, ast.Constant):
        yield from _constants(expression.value)
    elif is_test and isinstance(expression, _CONDITIONS):
        yield "condition", f"not {ast.unparse(expression)}"


def _constants(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool):
        yield "constant", repr(not value)
    elif isinstance(value, int):
        yield "constant", repr(value + 1)
    elif isinstance(value, float):
        yield "constant", repr(value * 2 or 1.0)
    elif isinstance(value, str | bytes):
        yield "constant", repr(value + (b"XX" if isinstance(value, bytes) else "XX"))  # type: ignore[operator]
