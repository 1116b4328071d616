"""Read a module's docstrings and signatures, and tell what a numpydoc docstring leaves out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

ARRAY = re.compile(r"\b(NDArray|ndarray|ArrayLike|Tensor)\b")
SHAPE = re.compile(r"\([^()]*(?:\([^()]*\))?[^()]*\)|any shape|scalar|same shape|like `|as `")
SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)


@dataclass(frozen=True)
class Documented:
    """A public function, method or dataclass: its docstring, the arguments it has, the errors it raises."""

    name: str
    docstring: str
    arguments: dict[str, str]
    raised: frozenset[str]


def sections(docstring: str) -> dict[str, str]:
    """Split a numpydoc docstring into its sections, by heading."""
    found = list(SECTION.finditer(docstring))
    ends = [match.start() for match in found] + [len(docstring)]
    return {match.group(1): docstring[match.end() : end] for match, end in zip(found, ends[1:], strict=True)}


def entries(section: str) -> dict[str, str]:
    """Return what a section says about each name."""
    said: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if line and not line[0].isspace():
            head = line.split(" : ", maxsplit=1)[0]
            names = [name.strip().lstrip("*") for name in head.split(",")]
        for name in names:
            said[name] = f"{said.get(name, '')}\n{line}"
    return said


def errors_raised(function: ast.AST) -> frozenset[str]:
    """Return the names of the errors that a function itself raises by name."""
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            names.add(node.exc.func.id)
    return frozenset(names)


def _function(node: ast.FunctionDef, prefix: str) -> Documented:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    if node.args.vararg:
        arguments.append(node.args.vararg)
    wanted = {
        a.arg: ast.unparse(a.annotation) if a.annotation else "" for a in arguments if a.arg not in ("self", "cls")
    }
    return Documented(prefix + node.name, ast.get_docstring(node) or "", wanted, errors_raised(node))


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)


def _fields(node: ast.ClassDef) -> Documented:
    wanted = {
        statement.target.id: ast.unparse(statement.annotation)
        for statement in node.body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and not statement.target.id.startswith("_")
        and "ClassVar" not in ast.unparse(statement.annotation)
    }
    return Documented(node.name, ast.get_docstring(node) or "", wanted, frozenset())


def public(tree: ast.Module, prefix: str = "") -> Iterator[Documented]:
    """Walk the public functions, methods and dataclasses of a module."""
    for node in tree.body:
        if getattr(node, "name", "_").startswith("_"):
            continue
        if isinstance(node, ast.FunctionDef):
            yield _function(node, prefix)
        elif isinstance(node, ast.ClassDef):
            if _is_dataclass(node):
                yield _fields(node)
            methods = ast.Module([n for n in node.body if isinstance(n, ast.FunctionDef)], [])
            yield from public(methods, f"{node.name}.")


def problems(documented: Documented) -> list[str]:
    """Return what the docstring leaves out, one sentence each."""
    if not documented.docstring:
        return [f"{documented.name} has no docstring"]
    parts = sections(documented.docstring)
    said = entries(parts.get("Parameters", ""))
    found = []
    for argument, annotation in documented.arguments.items():
        if argument not in said:
            found.append(f"{documented.name} does not tell what {argument} is")
        elif ARRAY.search(annotation) and not SHAPE.search(said[argument]):
            found.append(f"{documented.name} does not tell the shape of {argument}")
    told = parts.get("Raises", "")
    found += [f"{documented.name} does not tell that it raises {e}" for e in sorted(documented.raised) if e not in told]
    return found
