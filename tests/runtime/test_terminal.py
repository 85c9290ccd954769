import io

import pandas as pd
import pytest
from rich.console import Console

from ecomclf.runtime.terminal import print_table


@pytest.mark.parametrize("terminal", [True, False])
def test_a_table_shows_every_cell(terminal: bool) -> None:
    """Numbers are shortened, missing ones left empty."""
    output = io.StringIO()
    table = pd.DataFrame(
        {"trial": [0, 1], "val": [0.123456, None], "state": ["finished", "failed"]}
    )
    print_table(Console(file=output, force_terminal=terminal, width=80), "study s", table)
    assert "study s" in output.getvalue()
    assert "0.1235" in output.getvalue()
    assert "nan" not in output.getvalue()
