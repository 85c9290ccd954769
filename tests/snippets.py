"""The fenced blocks of README.md, CONTRIBUTING.md and docs/, and the commands in them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELLS = ("", "bash", "sh", "console")
# Blocks in these are output, or are read by no program of this project.
OTHERS = ("text", "sql", "mermaid")

_BLOCK = re.compile(r"^```([a-z]*)([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
# `data.split_seed=S` stands for any number.
_PLACEHOLDER = re.compile(r"(?<==)[A-Z]\b(?!=)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, first line in the page, language, title and text."""

    page: Path
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One command of a block, split as a shell would."""

    block: Block
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.block}: {shlex.join(self.words)}"


def find_blocks(pages: list[Path], languages: tuple[str, ...] | None = None) -> list[Block]:
    """Return the fenced blocks of pages, in some languages or in all."""
    found = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for block in _BLOCK.finditer(text):
            line = text.count("\n", 0, block.start()) + 1
            title = re.search(r'title="([^"]+)"', block[2])
            found.append(Block(page, line, block[1], title[1] if title else "", block[3]))
    return [block for block in found if languages is None or block.language in languages]


def is_output(block: Block) -> bool:
    """Return whether an unlabelled block is the shortened output of a command."""
    return block.text.startswith("…\n")


def split_commands(block: Block) -> list[Command]:
    """Return the commands of a shell block: without comments, each part of a pipe by itself.

    Brackets around what may be left out are removed, and so is an ellipsis at the end.
    """
    commands = []
    for line in block.text.replace("\\\n", " ").splitlines():
        plain = _PLACEHOLDER.sub("1", line.removeprefix("$ "))
        words = shlex.split(plain, comments=True)
        while words and _ASSIGNMENT.fullmatch(words[0]):
            words.pop(0)
        commands += [Command(block, tuple(part)) for part in _split_at_pipes(words) if part]
    return commands


def _split_at_pipes(words: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    optional = False
    for word in words:
        optional = optional or word.startswith("[-")
        if word == "|":
            parts.append([])
        elif word != "…":
            parts[-1].append(word.strip("[]") if optional else word)
        optional = optional and not word.endswith("]")
    return parts
