import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ecomclf

# Encodes a split of three texts, learns word vectors from it and reads others from a file.
PROGRAM = """\
import numpy as np
from ecomclf.config.schema import ModelConfig, TextConfig
from ecomclf.data.splitting import Split, Subset
from ecomclf.text.encoded_texts import encode_texts

def rows(*texts):
    return Subset(texts, np.zeros(len(texts), np.int32), np.arange(len(texts), dtype=np.int32))

split = Split(rows("red shoe", "red hat"), rows("hat"), rows("shoe"), ("x",), "f")
texts = encode_texts(split, TextConfig())
for source in ("word2vec", "vectors.txt"):
    texts.initial_embeddings(ModelConfig(embeddings=source, embedding_dim=2))
"""
# The cached folders that a change to a file must replace.
DEPENDENTS = {
    "text/cleaning.py": {"texts"},
    "text/vectorizer.py": {"texts"},
    "text/token_ids.py": {"texts"},
    "text/encoded_texts.py": {"texts"},
    "text/skipgram.py": {"word2vec"},
    "text/word_vectors.py": {"word2vec", "vectors"},
    "evaluation/report.py": set(),
}


def count_cached(folder: Path) -> dict[str, int]:
    """Run PROGRAM in a fresh process, and return how many folders of each kind are cached."""
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=folder, check=True)
    cache = folder / "data" / "cache"
    return {kind: len(list(cache.glob(f"{kind}-*/"))) for kind in ("texts", "word2vec", "vectors")}


@pytest.mark.slow
def test_cache_keys_depend_on_the_source_code(tmp_path: Path) -> None:
    """Changing a module invalidates what it computed and nothing else; equal code hits the cache.

    `python -c` puts the working directory first on the path, so the copy there is imported.
    """
    package = tmp_path / "ecomclf"
    source = Path(ecomclf.__file__).parent
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "vectors.txt").write_text("red 1 2\nhat 3 4\n")
    expected = {"texts": 1, "word2vec": 1, "vectors": 1}
    assert count_cached(tmp_path) == expected
    assert count_cached(tmp_path) == expected
    for name, kinds in DEPENDENTS.items():
        with (package / name).open("a", encoding="utf-8") as file:
            file.write("\n# changed\n")
        expected = {kind: count + (kind in kinds) for kind, count in expected.items()}
        assert count_cached(tmp_path) == expected, name
