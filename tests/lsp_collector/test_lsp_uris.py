from pathlib import Path

import pytest

from lsp_collector.uris import path_of


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///a/b.py", "/a/b.py"),
        ("FILE://localhost/a/b%23c%3Fd.py", "/a/b#c?d.py"),
        ("file:///a/j%C3%B6rg%20x.py", "/a/j\u00f6rg x.py"),
    ],
)
def test_path_of_a_file_on_this_machine(uri: str, path: str) -> None:
    assert path_of(uri) == Path(path)


@pytest.mark.parametrize(
    "uri",
    [
        # What would be judged is /a/b, what was written is another file.
        "file:///a/b#/../.env",
        "file:///a/b?x.py",
        "file:///a/b\t.py",
        "file:///a/.e\nnv",
        "file:///a/b\x7f.py",
        "file:///a/b%0A.py",
        "file:///a/b%00.py",
        "file:///a/%ff.py",
        "file://elsewhere/a/b.py",
        "untitled:a.py",
        "file:a.py",
        "",
    ],
)
def test_path_that_is_in_doubt_is_none(uri: str) -> None:
    assert path_of(uri) is None
