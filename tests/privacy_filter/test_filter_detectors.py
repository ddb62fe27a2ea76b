import random
import string
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_model.errors import FormatError
from privacy_filter.detectors import default_detector
from privacy_filter.detectors import rules as rules_module
from privacy_filter.detectors.rules import TokenRule, id_rules, name_rules, token_rules
from privacy_filter.detectors.values import is_identifier, looks_random, surely_random
from privacy_filter.detectors.window import Window, compile_pattern

ALPHABET = string.ascii_letters + string.digits


def made(length, alphabet=ALPHABET, seed=7):
    """A random value, made here so that no token stands in this file."""
    return "".join(random.Random(seed).choices(alphabet, k=length))


def found(text, *, whole_file=True):
    return [(hit.kind, text[hit.start : hit.end]) for hit in default_detector().find(text, whole_file=whole_file)]


def expand(body):
    return "".join(sign for sign in ALPHABET + "_-" if compile_pattern(f"[{body}]".encode()).match(sign.encode()))


@pytest.mark.parametrize("rule", token_rules(), ids=lambda rule: f"{rule.kind} {rule.prefixes[0]}")
def test_detector_finds_every_published_form_also_when_it_is_only_begun(rule):
    alphabet = [sign for sign in expand(rule.body) if sign.isalnum()]
    length = rule.max or max(rule.min, 24)
    for prefix in rule.prefixes:
        token = prefix + "".join(random.Random(5).choices(alphabet, k=length))
        assert token in {value for _, value in found(f"x {token} y")}, prefix
        begun = token[: len(prefix) + max(length * 2 // 3, 14)]
        assert any(begun in value for _, value in found(f"x {begun}", whole_file=False)), prefix


def test_detector_leaves_a_prefix_alone_that_is_none():
    assert found("task-list risk-" + made(30) + " sk-learn AKIA ghp_ ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx") == []
    assert found('GITHUB = re.compile(r"ghp_[A-Za-z0-9]{36}")', whole_file=False) == []


SECRET_LINES = [
    'password = "{}"',
    "DB_PASSWORD={}",
    "  password: {}",
    '"smtpPassword": "{}",',
    "<password>{}</password>",
    '<add key="Pwd" value="{}" />',
    "define('DB_PASSWORD', '{}');",
    'var password string = "{}"',
    'const password: string = "{}";',
    "ALTER ROLE x WITH PASSWORD '{}';",
    "PGPASSWORD={} psql -h db",
    "the password is {} for now",
    'if ("{}" == password) {{',
    "mysql -u root -p{} shop",
    "curl -u bob:{} https://ci.internal",
    "postgres://bob:{}@db.internal:5432/x",
    "sshpass -p {} ssh box",
    "db.internal:5432:app:app:{}",
    "jdbc:postgresql://db:5432/x?user=a&password={}&ssl=true",
]


@pytest.mark.parametrize("line", SECRET_LINES)
@pytest.mark.parametrize("whole_file", [True, False])
def test_detector_finds_a_password_where_one_stands(line, whole_file):
    value = "Quarz-" + made(4, string.digits) + "halde"
    text = "first line\n" + line.format(value) + "\nlast line\n"
    hits = default_detector().find(text, whole_file=whole_file)
    assert any(text[hit.start : hit.end].find(value) >= 0 and hit.guessable for hit in hits)
    assert sum(hit.end - hit.start for hit in hits) < len(value) + 60


@pytest.mark.parametrize(
    "line",
    [
        'api_key = "{}"',
        "export SERVICE_TOKEN={}",
        "clientSecret: '{}'",
        "service_api_key {}",
        "token - '{}'",
        "Authorization: Bearer {}",
        '{{"auth_token": "{}"}}',
        "secret => '{}'",
        '\\"apikey\\": \\"{}\\"',
    ],
)
def test_detector_finds_a_random_value_of_a_secret_name(line):
    value = made(32)
    text = line.format(value)
    assert any(value in hit for _, hit in found(text))


@pytest.mark.parametrize(
    "text",
    [
        'password = os.environ["DB_PASSWORD"]',
        "password = getPassword(user2)",
        'password = "${DB_PASSWORD}"',
        "PASSWORD=<your password>",
        "token = process.env.API_TOKEN2",
        "token = self.tokens[index1].value2",
        'raise ValueError("password must have 8 characters")',
        "let token = parser.next_token()?;",
        'password_encoding = "utf-8"',
        '"minipass": "^7.1.3",',
        "pass # 1 of 2b",
        "max_tokens=4096",
        'cacheKey = "user12:profile34:x99a"',
        "api_key = settings.GATEWAY_API_KEY1",
        "postgres://user:password@localhost/db",
        "https://host:8000/ @someone",
        "Basic functionality of the class",
        'sort_key = "created_at_2024"',
        "integrity: sha512-" + made(80) + "==",
        "github.com/a/b v1.2.3 h1:" + made(43) + "=",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5" + made(48) + " me",
        "commit " + made(40, "0123456789abcdef"),
        "id: 6f1c2b34-5d6e-4f70-8a9b-0c1d2e3f4a5b",
        "noreply@example.com git@host.org:a/b.git @decorator a @ b",
        "version 1.2.3.4, bind 127.0.0.1:80, dns 8.8.8.8, 10.0.0.7",
        "order 4111111111111112, 12:34:56, 2024-10-08T10:14:00Z, 555-6664-77",
        "std::vector<int> a::b::c",
        "rgba(125, 120, 255) 0.94934188, 0.41307812",
    ],
)
@pytest.mark.parametrize("whole_file", [True, False])
def test_detector_is_silent_where_nothing_is(text, whole_file):
    assert found(text, whole_file=whole_file) == []


def test_detector_takes_random_tokens_only_where_somebody_writes():
    token = made(40)
    assert found(f"x = f({token})") == []
    hits = default_detector().find(f"x = f({token})", whole_file=False)
    assert [(hit.kind, hit.opaque) for hit in hits] == [("opaque-token", True)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("mail jo.doe+x@firma.de now", "email", "jo.doe+x@firma.de"),
        ("call +49 40 33641719 at noon", "phone", "+49 40 33641719"),
        ("phone: 0221/7491333", "phone", "0221/7491333"),
        ("(415) 555-2671 or so", "phone", "(415) 555-2671"),
        ("to DE89 3704 0044 0532 0130 00 please", "iban", "DE89 3704 0044 0532 0130 00"),
        ("pan 4111 1111 1111 1111 ok", "payment-card", "4111 1111 1111 1111"),
        ("ssn 536-90-4399", "us-ssn", "536-90-4399"),
        ("host 84.17.32.9 up", "ip-address", "84.17.32.9"),
        ("at 2a02:810d:4bc0:1::5 now", "ip-address", "2a02:810d:4bc0:1::5"),
        ("eth0 9c:b6:d0:1f:22:a7 up", "mac-address", "9c:b6:d0:1f:22:a7"),
        ("open /home/mmuster/src/a.py", "user-name", "mmuster"),
        ("hetu 131052-308T", "fi-hetu", "131052-308T"),
        ("cpf 390.533.447-05", "br-cpf", "390.533.447-05"),
        ("PESEL 44051401359", "pl-pesel", "44051401359"),
        ("codice RSSMRA85T10A562S", "it-codice-fiscale", "RSSMRA85T10A562S"),
    ],
)
def test_detector_finds_personal_data(text, kind, value):
    assert (kind, value) in found(text)


@pytest.mark.parametrize(
    "text", ["iban DE89370400440532013001", "PESEL 44051401358", "number 44051401359", "4111111111111112"]
)
def test_detector_checks_the_check_digits(text):
    assert found(text) == []


def test_detector_finds_key_blocks_whole_begun_and_escaped():
    body = "\n".join(made(64, seed=line) for line in range(5))
    begin, end = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    for text in (f"{begin}\n{body}\n{end}", f"{begin}\n{body}"):
        assert found(f"a\n{text}\n") == [("private-key", text)]
    escaped = f"{begin}\\n{body}\\n{end}".replace("\n", "\\n")
    assert found(f'k = "{escaped}"') == [("private-key", escaped)]
    assert found(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----", whole_file=False) == []


def test_detector_finds_every_address_in_a_row():
    text = "\n".join(f"{name}@firma.de" for name in ("ab", "cd", "ef", "gh"))
    assert [value for _, value in found(text)] == text.split("\n")


def test_detector_reads_positions_in_code_points():
    value = made(36)
    text = f"😀 İı 中文 naïve 'ghp_{value}' 😀"
    assert [hit for _, hit in found(text)] == [f"ghp_{value}"]


@given(st.text(max_size=300))
def test_detector_takes_any_text_and_gives_ordered_spans(text):
    for whole_file in (True, False):
        hits = default_detector().find(text, whole_file=whole_file)
        edges = [edge for hit in hits for edge in (hit.start, hit.end)]
        assert edges == sorted(edges)
        assert all(0 <= hit.start < hit.end <= len(text) for hit in hits)


@given(st.text(max_size=60))
def test_window_has_one_byte_and_one_small_letter_a_code_point(text):
    window = Window(text, whole_file=True)
    assert len(window.raw) == len(window.low) == len(text)


def test_values_tell_random_from_words():
    for value in (made(20), made(32, "0123456789abcdef"), made(24, string.ascii_letters, seed=3)):
        assert looks_random(value)
    words = ["getUserAccountName", "max_retry_count", "application/json", "InvoiceConfigTraceImpl", "sha256_hash"]
    assert not any(map(looks_random, words))
    assert not any(map(surely_random, [*words, "0" * 40, "abc"]))
    assert is_identifier("settings.value2")
    assert not is_identifier("a b")


def test_rules_are_read_and_malformed_ones_refused(monkeypatch):
    assert {rule.kind for rule in token_rules()} >= {"github-token", "aws-access-key"}
    assert name_rules().names.password
    assert id_rules()
    with pytest.raises(FormatError) as caught:
        rules_module._read("tokens.toml", TokenRule)
    assert caught.value.code == "rules-malformed"


def test_importing_the_redactor_loads_no_rules_and_no_engines():
    code = (
        "import sys, privacy_filter.redactor, privacy_filter.masks, privacy_filter.detectors; "
        "print([name for name in ('re2', 'phonenumbers', 'stdnum', 'tomllib') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "text",
    [
        'url = "postgres://app:Harbor4711River\n',
        "REDIS_URL=redis://:marble-lantern-8812",
        '$p = ConvertTo-SecureString "Maple_Falcon7713\n',
        "server.login('noreply@corp.io', 'marble-harbor-4471\n",
    ],
)
def test_password_of_which_the_end_is_not_written_is_found_while_writing(text: str) -> None:
    assert any(hit.category == "secret" for hit in default_detector().find(text, whole_file=False))


@pytest.mark.parametrize("text", ["http://localhost:8080", "http://host:PORT_NUMBER", "see http://a.b:80800000 now"])
def test_port_is_no_password_that_was_begun(text: str) -> None:
    assert default_detector().find(text, whole_file=False) == []


@pytest.mark.parametrize("number", ["150390A123K", "AAAPL1234C"])
def test_national_numbers_by_form_alone_are_found(number: str) -> None:
    assert [hit.category for hit in default_detector().find(f"id {number}", whole_file=True)] == ["pii"]


def test_type_as_a_key_names_no_secret() -> None:
    assert default_detector().find('"Cloud::IAM::AccessKey": "72c2d9dd90025459",', whole_file=True) == []


@pytest.mark.parametrize(
    "text",
    [
        'authorization = "Basic dXNlcm5hbWU6cGFzc3dvcmQ="',
        "data:\n  password: c2VjdXJlLXBhc3N3b3Jk\n",
        "tls.key: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCi0tLS0tRU5EIFBSSVZBVEUgS0VZLS0tLS0=\n",
        'url = "https://user:password123@example.org/"',
        'url = "http://user:%F0%9F%8D%A9@host/"',
        'url = "https://user:%3a%20%5E@example.com"',
        'curl_easy_setopt(curl, CURLOPT_KEYPASSWD, "s3cret");',
        '"next-auth": "npm:next-auth@^4.24.11",',
        '<a id="opt-metrics-influxDB2-token" href="#opt-metrics-influxDB2-token" title="#opt-token-v2">x</a>',
        'password: "{{ .Values.sasl.password | b64enc }}"',
        "identity->PasswordLength = curlx_uztoul(pwlen);",
        "var passwordDataV0 modelV0\n",
        'val cookie = parse("http://[0001:0000::]/".toHttpUrl())',
        "[signing_key]: https://keys.firm.io/lookup?search=dbd744ace7ade6aa50dd591f66b50994442d2d40\n",
        '"endCursor": "Y3Vyc29yOnYyOpK5MjAxOS0xMC0xMVQwMTozODowMyswODowMM5f3HZq"',
        '"key": "Linux-node-958aff96db2d75d67787d1e634ae70b659de937b",',
        "Kubernetes Ingress API Version `networking.k8s.io/v1beta1`",
        "DART_SASS_SHA_LINUX: 7c933edbad0a7d389192c5b79393485c088bd2c4398e32f5754c32af006a9ffd\n",
        'export SESSION_SECRET="99ae8af...snip...ec0f262ac"',
    ],
)
def test_examples_and_references_in_files_are_no_secrets(text):
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('authorization = "Basic dXNlcm5hbWU6N3hLcTJ2WnA="', "dXNlcm5hbWU6N3hLcTJ2WnA="),
        ("data:\n  password: N3hLcTJ2WnBMdzRS\n", "N3hLcTJ2WnBMdzRS"),
        ('url = "https://deploy:7xKq2vZp@build.firm.io/"', "https://deploy:7xKq2vZp@build.firm.io"),
        ('url = "https://deploy:hunter2@build.firm.io/"', "https://deploy:hunter2@build.firm.io"),
        ("key: sk_pr_b_fa02df705055df9e4d159fe3bad0cf3bb8cd1d\n", "sk_pr_b_fa02df705055df9e4d159fe3bad0cf3bb8cd1d"),
        ('webhook = "https://hooks.firm.io/catch/bJdWL5uSLdrqauDu"', "https://hooks.firm.io/catch/bJdWL5uSLdrqauDu"),
    ],
)  # fmt: skip
def test_what_looks_like_an_example_but_has_something_random_left_is_a_secret(text, secret):
    assert secret in {value for _, value in found(text)}


@pytest.mark.parametrize("text", ["kanban '11XQ98FVS", 'echo "cop7328S', "x = 'aB3xQ9zL7"])
def test_a_text_that_is_left_open_in_the_middle_of_something_random_is_masked(text):
    begun = text[text.index("'" if "'" in text else '"') + 1 :]
    assert begun in {value for _, value in found(text, whole_file=False)}


def test_an_address_with_a_password_that_is_begun_is_masked_with_its_user():
    text = "https://trufflefarm:ATq9iO-tyg7uop"
    assert text in {value for _, value in found(text, whole_file=False)}


@pytest.mark.parametrize(
    "opening",
    ["api_token: |\n  ", "api_token: >-\n  ", 'API_TOKEN = """\n', "api_token = r'''\n", "secret: |-\r\n    "],
)
@pytest.mark.parametrize("whole_file", [True, False])
def test_a_value_on_the_lines_below_its_name_is_found(opening, whole_file):
    first, second = made(40), made(40, seed=9)
    text = f"{opening}{first}\n  {second}\nnext: value\n"
    assert [value for _, value in found(text, whole_file=whole_file)] == [f"{first}\n  {second}"]
    assert found(f"{opening}plain words of a text\n", whole_file=whole_file) == []


def test_a_number_that_the_checking_library_stumbles_over_is_masked(monkeypatch):
    from stdnum.cn import ric

    def stumbling(number):
        raise KeyError("county")

    monkeypatch.setattr(ric, "is_valid", stumbling)
    assert found("id: 110101199003074477") == [("cn-ric", "110101199003074477")]


def test_prose_in_another_script_beside_a_secrets_name_is_no_secret():
    text = "\u7528 OAuth2 \u89c4\u8303\u5c06\u4f5c\u7528\u57df\u5b9a\u4e49\u4e3a\u7531\u7a7a\u683c\n"
    assert found(text) == found("`password`\uff0c" + text) == []
    assert found("Use htpasswd auth mode.  More details below.") == []
    assert (
        found("- passwords ([139f5a5](https://git.firm.io/charts/commit/139f5a54c71ba4da1a0401300b84f8b31d8ff2e9))")
        == []
    )


def test_words_that_can_be_cut_in_many_ways_take_no_time():
    from privacy_filter.detectors.standins import is_stand_in_password

    assert is_stand_in_password("password" * 40 + "1", whole_file=True)
    assert not is_stand_in_password("password" * 40 + "qz7", whole_file=True)
