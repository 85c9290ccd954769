import pytest

from ecomclf.data.scripts import find_scripts


@pytest.mark.parametrize(
    ("texts", "scripts"),
    [
        (["red shoe", "größer"], {"Latin": 1.0}),
        (["质量好"], {"Han": 1.0}),
        (["Очень ok"], {"Cyrillic": 5 / 7, "Latin": 2 / 7}),
        (["123 !?", ""], {}),
        ([], {}),
        (["とても良い"], {"Hiragana": 0.8, "Han": 0.2}),
    ],
)
def test_scripts_are_counted_by_letters(texts: list[str], scripts: dict[str, float]) -> None:
    """Digits, marks and punctuation are of no script."""
    assert find_scripts(texts) == pytest.approx(scripts)


def test_many_texts_are_sampled_evenly() -> None:
    """The last texts count as the first ones."""
    assert find_scripts(["a"] * 50_000 + ["я"] * 50_000) == pytest.approx(
        {"Latin": 0.5, "Cyrillic": 0.5}
    )
