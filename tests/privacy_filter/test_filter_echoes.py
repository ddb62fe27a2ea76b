import random
import string

from privacy_filter import echoes as module
from privacy_filter.echoes import Echoes

ALNUM = string.ascii_letters + string.digits


def made(length, seed):
    return "".join(random.Random(seed).choices(ALNUM, k=length))


def parts(echoes, text):
    return [text[start:end] for start, end in echoes.find(text)]


def test_echoes_find_halves_and_leave_words_alone():
    echoes = Echoes()
    assert not echoes
    secret = made(32, 1)
    echoes.learn(secret)
    echoes.learn("password-of-nobody")
    assert parts(echoes, f"x = {secret[:16]} and {secret[20:]}") == [secret[:16], secret[20:]]
    assert parts(echoes, "the password of somebody") == []
    assert parts(echoes, "password-of-nobody") == ["assword-of-nobody"]


def test_echoes_of_letters_that_make_no_word_are_found():
    echoes = Echoes()
    echoes.learn("knlwczumxoufpfynrvzzha")
    assert parts(echoes, "a knlwczumxo b") == ["knlwczumxo"]


def test_echoes_of_an_address_are_long():
    echoes = Echoes()
    echoes.learn_surroundings("postgres://bob:x@db-1.ondigitalocean.com:25060")
    assert parts(echoes, "host = db-1.ondigitalocean.com") == ["db-1.ondigitalocean.com"]
    assert parts(echoes, "postgres://other") == []


def test_echoes_are_bounded_and_the_newest_are_kept(monkeypatch):
    monkeypatch.setattr(module, "MAX_GRAMS", 500)
    monkeypatch.setattr(module, "MERGE_GRAMS", 50)
    echoes = Echoes()
    for seed in range(100):
        echoes.learn(made(40, seed))
        assert parts(echoes, made(40, seed)) == [made(40, seed)]
    assert len(echoes._grams) <= 500
    assert parts(echoes, made(40, 98)) == [made(40, 98)]
    assert parts(echoes, made(40, 0)) == []
