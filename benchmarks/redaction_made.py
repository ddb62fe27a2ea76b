"""Makes labelled cases by family, for trying the detectors on more than a set that others collected.

    python -m benchmarks.redaction_made CASES.jsonl [--each N] [--seed S]

Values are drawn at random from what is published about their form: providers' prefixes and alphabets, check digits of
numbers, ways in which people choose passwords. Each stands in a line in which such a value is written. The same seed
gives the same cases; none is anybody's. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import string
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import msgspec

from benchmarks.redaction_cases import Case
from privacy_filter.detectors.rules import token_rules
from privacy_filter.detectors.window import compile_pattern

ALPHANUMERIC = string.ascii_letters + string.digits
WORDS = (
    "amber", "birch", "canal", "delta", "ember", "fjord", "grove", "harbor", "iris", "jade", "kite", "lagoon", "maple",
    "north", "orbit", "pearl", "quartz", "river",
)  # fmt: skip
SIGNS = "!$%*+-.=?_~"
MAX_TRIES = 20_000
"""Numbers that are drawn until one has the right check digits: one in a hundred has, where they are two."""

LINES = (
    "{}", "key: {}", 'token = "{}"', "export API_KEY={}", '{{"secret": "{}"}}', "curl -H 'X-Key: {}' https://api.firm.io/",
    "const client = connect('{}');", "# {}", "<value>{}</value>", "API_TOKEN: {} # of the build",
)  # fmt: skip
PASSWORD_LINES = (
    'password = "{}"', "DB_PASSWORD={}", "  password: {}", '"smtpPassword": "{}",', "<password>{}</password>",
    "ALTER ROLE app WITH PASSWORD '{}';", "define('DB_PASSWORD', '{}');", "PGPASSWORD={} psql -h db01 -U app",
    "spring.datasource.password={}", "props.put(\"trustStorePassword\", \"{}\");", "sshpass -p {} scp a.tgz build01:",
    "Server=db01;Database=app;User Id=sa;Password={};", "the password is {} until Monday", "Das Passwort ist {}.",
)  # fmt: skip
ADDRESS_LINES = (
    "https://{user}:{word}@git.firm.io", "postgres://{user}:{word}@db01.firm.io:5432/app", "redis://:{word}@cache01:6379",
    "amqp://{user}:{word}@mq01.firm.io:5672/vhost", "mongodb+srv://{user}:{word}@cluster0.k2x9.mongodb.net/app",
    "ftp://{user}:{word}@files.firm.io", "mysql://{user}:{word}@10.2.3.4/shop", "smtp://{user}:{word}@mail.firm.io:587",
    "jdbc:postgresql://db01:5432/app?user={user}&password={word}",
)  # fmt: skip
NUMBER_LINES = ("{}", "id: {}", 'person = "{}"', "the number is {}, please check", "{},Jan,2024")
NATIONAL = (
    ("es-dni", "es.dni", "########L", ""),
    ("es-nie", "es.nie", "X#######L", ""),
    ("fi-hetu", "fi.hetu", "DDMMYY-###C", ""),
    ("it-codice-fiscale", "it.codicefiscale", "LLLLLL##A##L###L", ""),
    ("br-cpf", "br.cpf", "###.###.###-##", ""),
    ("pl-pesel", "pl.pesel", "YYMMDD#####", "PESEL "),
    ("nl-bsn", "nl.bsn", "#########", "BSN: "),
    ("fr-nir", "fr.nir", "1YYMM75########", ""),
    ("de-idnr", "de.idnr", "###########", "Steuer-ID "),
    ("in-aadhaar", "in_.aadhaar", "#### #### ####", ""),
    ("se-personnummer", "se.personnummer", "YYMMDD-####", ""),
    ("gb-nhs", "gb.nhs", "### ### ####", "NHS number "),
    ("ca-sin", "ca.sin", "### ### ###", ""),
    ("kr-rrn", "kr.rrn", "YYMMDD-#######", ""),
    ("au-tfn", "au.tfn", "### ### ###", "TFN "),
    ("mx-curp", "mx.curp", "LALLYYMMDDHQTLLL##", ""),
    ("dk-cpr", "dk.cpr", "DDMMYY-####", "CPR "),
)
_DRAWN: dict[str, Callable[[random.Random], str]] = {
    "#": lambda source: source.choice(string.digits),
    "L": lambda source: source.choice(string.ascii_uppercase),
    "A": lambda source: source.choice("AEIOU"),
    "C": lambda source: source.choice("0123456789ABCDEFHJKLMNPRSTUVWXY"),
    "Y": lambda source: source.choice("5678"),
    "D": lambda _: "1",
    "M": lambda _: "1",
}
"""What a letter of a pattern stands for; days and months are the eleventh, which every calendar has."""


def made_cases(each: int, seed: int) -> list[Case]:
    """Give ``each`` cases of every family and of every kind in it."""
    source = random.Random(seed)
    found = [*_tokens(each, source), *_passwords(each, source), *_addresses(each, source), *_personal(each, source)]
    return [msgspec.structs.replace(case, id=f"made{number}") for number, case in enumerate(found)]


def _case(label: str, kind: str, family: str, line: str, value: str) -> Case:
    text = line.format(value) if "{}" in line else line
    start = text.index(value)
    return Case("", label, kind, family, text + "\n", start, start + len(value))


def _tokens(each: int, source: random.Random) -> Iterator[Case]:
    for rule in token_rules():
        signs = [sign for sign in ALPHANUMERIC if compile_pattern(f"[{rule.body}]".encode()).match(sign.encode())]
        for _ in range(each):
            length = rule.max or max(rule.min, 24)
            value = source.choice(rule.prefixes) + "".join(source.choices(signs, k=length))
            yield _case("secret", rule.kind, "token", source.choice(LINES), value)


def _password(source: random.Random) -> str:
    first, second = (source.choice(WORDS) for _ in range(2))
    number = str(source.randrange(100, 10_000))
    return source.choice(
        (
            first.title() + source.choice(SIGNS) + second + number,
            first + "-" + second + "-" + number,
            first + number + source.choice(SIGNS),
            first[:3] + number + second[:3].upper() + source.choice("!?="),
            "".join(source.choices(ALPHANUMERIC, k=10)) + source.choice(SIGNS) + source.choice(string.digits),
        )
    )


def _passwords(each: int, source: random.Random) -> Iterator[Case]:
    for line in PASSWORD_LINES:
        for _ in range(each):
            yield _case("secret", "password", "password", line, _password(source))


def _addresses(each: int, source: random.Random) -> Iterator[Case]:
    for line in ADDRESS_LINES:
        for _ in range(each):
            word = source.choice((_password(source).strip("?="), "".join(source.choices(ALPHANUMERIC, k=12))))
            value = line.format(user=source.choice(WORDS), word=word)
            yield _case(
                "secret", "url", "url_cred", source.choice(('url = "{}"', "URL={}", "connect to {} now")), value
            )


def _personal(each: int, source: random.Random) -> Iterator[Case]:
    for kind, module, pattern, before in NATIONAL:
        for _ in range(each):
            value = _checked(module, pattern, source)
            line = source.choice(NUMBER_LINES).replace("{}", before + "{}")
            yield _case("pii", kind, "national_id", line, value)
    for _ in range(each * 5):
        name = ".".join(source.sample(WORDS, 2))
        yield _case("pii", "email", "email", source.choice(NUMBER_LINES), f"{name}@{source.choice(WORDS)}.io")
        octets = ":".join(f"{source.randrange(256):02x}" for _ in range(6))
        yield _case("pii", "mac", "mac", source.choice(NUMBER_LINES), octets)
        card = _checked("luhn", source.choice(("4###############", "51##############", "37#############")), source)
        yield _case("pii", "credit_card", "credit_card", source.choice(NUMBER_LINES), card)
        account = "".join(source.choices(string.digits, k=18))
        check = 98 - int(account + "131400") % 97
        yield _case("pii", "iban", "iban", source.choice(NUMBER_LINES), f"DE{check:02d}{account}")
        area, rest = source.randrange(100, 600), source.randrange(1000, 10_000)
        yield _case("pii", "us_ssn", "us_ssn", source.choice(NUMBER_LINES), f"{area}-{source.randrange(10, 99)}-{rest}")
        phone = f"+49 30 {source.randrange(100_000, 1_000_000)}{source.randrange(10, 99)}"
        yield _case("pii", "phone", "phone", source.choice(NUMBER_LINES), phone)


def _checked(module: str, pattern: str, source: random.Random) -> str:
    """Draw until the check digits are right; LookupError: if they never are, then the pattern is wrong."""
    check = import_module("stdnum." + module).is_valid
    for _ in range(MAX_TRIES):
        value = "".join(_DRAWN[sign](source) if sign in _DRAWN else sign for sign in pattern)
        if check(value):
            return value
    raise LookupError(f"no number of the form {pattern} is valid for {module}")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redaction_made", description="Make labelled cases.")
    parser.add_argument("cases", type=Path)
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = made_cases(options.each, options.seed)
    options.cases.write_bytes(b"\n".join(map(msgspec.json.encode, found)) + b"\n")
    print(json.dumps({"cases": len(found), "by_family": Counter(case.family for case in found)}))


if __name__ == "__main__":
    main()
