"""`draw_architecture`: the layers of a network and how they are connected, as an SVG picture."""

from dataclasses import dataclass
from html import escape
from typing import Any

import keras

from ecomclf.data.class_names import shorten_name

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 280, 46, 24, 30, 16
_MAX_SHAPE_CHARACTERS = 34
# Within an HTML page, an SVG's style applies to the whole page.
_STYLE = (
    ".network text{font:13px system-ui,sans-serif;fill:#1b1f24;text-anchor:middle}"
    ".network text.shape{font-size:11px;fill:#57606a}"
    ".network rect{fill:#f0f6fc;stroke:#0072b2;rx:6}"
    ".network>path{stroke:#57606a;fill:none;marker-end:url(#arrow)}"
)


@dataclass(frozen=True)
class _Box:
    """A layer: what it is called, its output, the boxes before it, and its place in the grid."""

    title: str
    shape: str
    before: tuple[str, ...]
    row: int
    column: int


def draw_architecture(network: keras.Model) -> str:
    """Return an SVG picture of a network: a box per layer, inputs at the top.

    Operations that are no layers, such as masks, are left out; an arrow stands for all of them
    between two layers. An arrow that others imply, by way of layers in between, is left out too.

    Args:
        network: a functional Keras model.

    Returns:
        An SVG document without scripts, with a title and a description for screen readers.

    """
    boxes = _place(network)
    rows = max(box.row for box in boxes.values()) + 1
    columns = max(box.column for box in boxes.values()) + 1
    width = 2 * _MARGIN + columns * _WIDTH + (columns - 1) * _GAP_X
    height = 2 * _MARGIN + rows * _HEIGHT + (rows - 1) * _GAP_Y
    listed = ", then ".join(box.title for box in boxes.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" class="network">',
        f"<title>{escape(network.name)}, {network.count_params():,} weights</title>",
        f"<desc>{escape(listed)}</desc><style>{_STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#57606a"/></marker></defs>',
        *(_arrow(boxes[name], box) for box in boxes.values() for name in box.before),
        *map(_draw, boxes.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _place(network: keras.Model) -> dict[str, _Box]:
    """Return the layers by name, each one row below the lowest of those before it."""
    boxes: dict[str, _Box] = {}
    used: dict[int, int] = {}
    ancestors: dict[str, set[str]] = {}
    # The layers that the output of each operation comes from; operations are sorted.
    sources: dict[str, tuple[str, ...]] = {}
    for operation in network.operations:
        before = tuple(
            dict.fromkeys(
                name for parent in _parents(operation) for name in sources.get(parent.name, ())
            )
        )
        if not isinstance(operation, keras.layers.Layer):
            sources[operation.name] = before
            continue
        implied = set().union(*(ancestors[name] for name in before))
        ancestors[operation.name] = {*before, *implied}
        before = tuple(name for name in before if name not in implied)
        row = max((boxes[name].row + 1 for name in before), default=0)
        column = used.get(row, 0)
        used[row] = column + 1
        boxes[operation.name] = _Box(_title(operation), _shape(operation), before, row, column)
        sources[operation.name] = (operation.name,)
    return boxes


def _parents(operation: Any) -> list[Any]:
    """Return the operations whose outputs an operation takes."""
    # Keras has no public way to ask an operation for them; without it, arrows are missing.
    nodes = getattr(operation, "_inbound_nodes", ())
    return [parent.operation for node in nodes for parent in node.parent_nodes]


def _title(layer: keras.layers.Layer) -> str:
    kind = type(layer).__name__
    named = layer.name if layer.name == kind.lower() else f"{layer.name} ({kind})"
    weights = layer.count_params()
    return f"{named}, {weights:,} weights" if weights else named


def _shape(layer: keras.layers.Layer) -> str:
    outputs = layer.output if isinstance(layer.output, list | tuple) else [layer.output]
    shapes = ["×".join("?" if size is None else str(size) for size in each.shape)
              for each in outputs]  # fmt: skip
    return shorten_name(", ".join(shapes), _MAX_SHAPE_CHARACTERS)


def _corner(box: _Box) -> tuple[int, int]:
    return (
        _MARGIN + box.column * (_WIDTH + _GAP_X),
        _MARGIN + box.row * (_HEIGHT + _GAP_Y),
    )


def _draw(box: _Box) -> str:
    x, y = _corner(box)
    middle = x + _WIDTH // 2
    return (
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}"/>'
        f'<text x="{middle}" y="{y + 20}">{escape(box.title)}</text>'
        f'<text class="shape" x="{middle}" y="{y + 37}">{escape(box.shape)}</text>'
    )


def _arrow(start: _Box, end: _Box) -> str:
    x, y = _corner(start)
    to_x, to_y = _corner(end)
    half = _WIDTH // 2
    return f'<path d="M{x + half} {y + _HEIGHT}L{to_x + half} {to_y}"/>'
