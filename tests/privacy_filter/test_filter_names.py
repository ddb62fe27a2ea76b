import pytest

from privacy_filter.detectors import default_detector
from privacy_filter.detectors.names import MAX_NAMES, NameBook, NamingDetector


def detector(*names):
    book = NameBook(b"k" * 16)
    book.learn(names)
    return NamingDetector(default_detector(), book)


def found(text, *names):
    return [
        text[hit.start : hit.end] for hit in detector(*names).find(text, whole_file=True) if hit.kind == "person-name"
    ]


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("# TODO(Ada Lovelace): ask LOVELACE again", ["Ada Lovelace", "LOVELACE"]),
        ("author = 'lovelace, ada'", ["lovelace, ada"]),
        ("cd src/ada.lovelace/notes", ["ada.lovelace"]),
        ("login alovelace, user a.lovelace", ["alovelace", "a.lovelace"]),
        ("Ada is a language, and ada too", []),
        ("import lovelace_lib; lovelace(x)", []),
        ("nothing here", []),
    ],
)
def test_names_are_found_in_prose_paths_and_logins(text, hits):
    assert found(text, "Ada Lovelace") == hits


def test_names_with_accents_are_found_without_them_and_the_other_way():
    assert found("J\u00f6rg M\u00fcller", "Jorg Muller") == ["J\u00f6rg M\u00fcller"]
    assert found("Jorg Muller", "J\u00f6rg M\u00fcller") == ["Jorg Muller"]


def test_names_of_programs_and_roles_are_nobodys():
    assert len(detector("root", "github-actions", "user", "CI Bot", "dev@firm.io", "a")._books[0]) <= 3
    assert found("root user dev ci bot", "root", "user", "dev", "CI Bot") == []


def test_names_from_addresses_are_logins():
    assert found("ask zwiebelfisch about it", "zwiebelfisch@firm.io") == ["zwiebelfisch"]


def test_names_are_kept_as_digests_and_bounded(monkeypatch):
    book = NameBook(b"k" * 16)
    book.learn(["Ada Lovelace"])
    assert "lovelace" not in repr(vars(book)).casefold()
    assert not NameBook(b"k" * 16).knows("Ada Lovelace")
    monkeypatch.setattr("privacy_filter.detectors.names.MAX_NAMES", 20)
    book.learn(f"Person{number} Surname{number}" for number in range(100))
    assert len(book) <= 20 < MAX_NAMES


def test_names_stand_beside_what_else_is_found():
    hits = detector("Ada Lovelace").find("Ada Lovelace <ada.lovelace@engine.io>", whole_file=True)
    assert [(hit.kind, hit.start) for hit in hits] == [("person-name", 0), ("email", 14)]
