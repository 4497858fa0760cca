"""Conditions by which SQLite must not choose an index."""

from typing import Any

from sqlalchemy import FunctionElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class NotIndexed(FunctionElement[str]):
    """A column whose condition must not make SQLite choose an index by it.

    SQLite has no statistics of the tables: of several indexes it takes the one that begins with the most columns that a
    query asks for, also where that one leads through every frame of a station and another through a few decided ones.
    """

    inherit_cache = True


@compiles(NotIndexed)
def _as_it_is(element: NotIndexed, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses.clauses[0], **options)


@compiles(NotIndexed, "sqlite")
def _with_plus(element: NotIndexed, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses.clauses[0], **options)}"
