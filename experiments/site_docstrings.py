"""A Griffe extension for the site: examples in docstrings become code blocks.

The package writes `Example:` with code below it, with doctest prompts or without. Griffe reads
that as prose.
"""

import ast
import re
from textwrap import dedent, indent
from typing import Any

from griffe import Extension, Object

_EXAMPLE = re.compile(r"^( *)Example:\n((?:\1 +\S.*\n|\s*\n)+)", re.MULTILINE)


class CodeExamples(Extension):
    """Fence the examples of every docstring that is code."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of an object, before it is parsed."""
        if obj.docstring:
            text = f"{obj.docstring.value}\n"
            obj.docstring.value = _EXAMPLE.sub(lambda found: fence(found[0]), text)


def fence(section: str) -> str:
    """Return an `Example:` section with its code in a fenced block; prose stays as it is."""
    head, _, body = section.partition("\n")
    code = dedent(body).strip("\n")
    if code.startswith(">>> "):
        language = "pycon"
    elif _compiles(code):
        language = "python"
    else:
        return section
    margin = " " * (len(head) - len(head.lstrip()) + 4)
    fenced = f"```{language}\n{code}\n```"
    return f"{head}\n{indent(fenced, margin)}\n\n"


def _compiles(code: str) -> bool:
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True
