import random
import string

import pytest

from privacy_filter.detectors import default_detector
from privacy_filter.detectors.rules import name_rules, service_rules
from privacy_filter.detectors.standins import is_stand_in, is_stand_in_password
from privacy_filter.detectors.values import is_worded
from privacy_filter.fields import Field, find_in_fields

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def made(length, alphabet=ALNUM, seed=11):
    return "".join(random.Random(seed).choices(alphabet, k=length))


def found(text, *, whole_file=True):
    return {text[hit.start : hit.end] for hit in default_detector().find(text, whole_file=whole_file)}


LINES = [
    "deepgram = {}",
    'const cloudsmith = "{}";',
    "  onesignal: '{}'",
    "mixpanel {}",
    "PLAUSIBLE_API = {}",
    '"mailerlite": "{}",',
    "# shodan -> {}",
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("value", [made(32), made(40, HEX), made(26, string.ascii_lowercase + string.digits)])
def test_services_random_values_beside_their_names_are_keys(line, value):
    assert value in found(f"first\n{line.format(value)}\nlast\n")


@pytest.mark.parametrize(
    "text",
    [
        "see https://github.com/some/project/commit/" + made(40, HEX),
        "github_sha: " + made(40, HEX),
        "      - uses: gitlab/checkout@" + made(40, HEX),
        "arn:aws:dms:us-east-1:123456789012:endpoint:" + made(26, string.ascii_uppercase + string.digits),
        '"AWS::CloudFront::Distribution": "' + made(16, HEX) + '"',
        "import stripe_python_client_configuration_builder",
        "the manifest " + made(40, HEX),
        "dockerhub image digest: " + made(64, HEX),
        "telegram_chat_id = '" + made(40, HEX) + "'",
    ],
)
def test_services_public_states_and_ordinary_code_are_no_keys(text):
    assert found(text) == set()


def test_services_are_listed_once_and_in_the_form_they_are_looked_for():
    rules = service_rules()
    names, words = rules.names.split(), rules.words.split()
    assert not set(names) & set(words)
    assert all(name == name.lower() and name.isalnum() and len(name) > 2 for name in names + words)


def test_an_example_is_one_only_if_nothing_random_is_left():
    assert is_stand_in("example-token-here")
    assert is_stand_in("AKIA" + "IOSFODNN7" + "EXAMPLE")
    assert not is_stand_in("example" + made(24))
    assert not is_stand_in(made(12) + "EXAMPLE" + made(12, seed=3))
    assert f"ghp_{made(30)}example" in found(f"x = ghp_{made(30)}example")
    assert found("token = 'your-api-token-goes-here'") == set()


@pytest.mark.parametrize(
    "value",
    ["abcdefghijklmnopqrst", "12345678-1234-1234-1234-123456789012", "0" * 30 + "ab1", "${API_TOKEN}", "xoxd-abc..."],
)
def test_what_is_counted_up_or_repeated_or_put_in_later_is_no_secret(value):
    assert is_stand_in(value)
    assert found(f'api_token = "{value}"') == set()


def test_words_with_a_number_are_examples_in_files_and_passwords_when_typed():
    assert is_stand_in_password("new-secret-1234", whole_file=True)
    assert found("password = 'new-secret-1234'", whole_file=False) == {"new-secret-1234"}
    assert found("password = 'new-secret-1234'") == set()
    assert found("password = 'quarz-halde-4711'") == {"quarz-halde-4711"}


@pytest.mark.parametrize(
    ("line", "begun"),
    [
        ("export LINKEDIN_TOKEN={}", "jpjmssjuktvrq"),
        ("x_token = '{}", "z9y8x7w6"),
        ("Authorization: Basic {}", "QWxhZGRpbjpvcGVuIHNlc2FtZ"),
        ('broker = "amqp://svc:{}', "EmberBerlinQ"),
        ('if ("{}', "yFS9Hrqb_Q4D7n"),
    ],
)
def test_what_is_begun_is_found_only_where_somebody_writes(line, begun):
    text = f"before\n{line.format(begun)}\nafter\n"
    assert any(begun in value for value in found(text, whole_file=False))


def test_typing_names_and_calls_beside_a_secrets_name_is_left_alone():
    for line in (
        "token = get_token()",
        "password = self.password",
        "api_key: str | None = None",
        "secret = settings.secret",
    ):
        assert found(line, whole_file=False) == set(), line


def test_tokens_with_an_unknown_prefix_are_found_in_files():
    token = "zzq_live_" + made(34)
    assert token in found(f"see {token} there")
    assert found("call some_function_name_that_is_rather_long_and_winding here") == set()


def test_letters_are_told_from_words():
    source = random.Random(5)
    noise = ["".join(source.choices(string.ascii_lowercase, k=16)) for _ in range(400)]
    assert sum(map(is_worded, noise)) < 20
    assert all(map(is_worded, ["configuration", "serializeDocument", "HTTP_REQUEST_HANDLER", "password"]))
    assert len(name_rules().words.pairs) == 26 * 26


CARDS = ["4012888888881881", "4012-8888-8888-1881", "4012 8888 8888 1881", "378282246310005", "3782 822463 10005"]


def test_cards_beside_each_other_are_all_found():
    assert found(" ".join(CARDS)) == set(CARDS)
    assert found("total = 8295148250486") == set()


@pytest.mark.parametrize("text", ["My number is 09-7625400", "reach me: 0171 5551234", "tel 0049 30 901820"])
def test_phone_numbers_as_they_are_written_at_home(text):
    assert any(value in text and sum(map(str.isdigit, value)) > 7 for value in found(text))


@pytest.mark.parametrize(
    "text", ["de89370400440532013000", "DE89-3704-0044-0532-0130-00", "DE89 3704 0044 0532 0130 00"]
)
def test_accounts_in_any_case_with_words_behind_them(text):
    assert found(f"note: {text} thanks") == {text}


def test_a_field_beside_a_service_is_read_too():
    spans = find_in_fields([Field("sendgrid", made(40))], default_detector())
    assert [(span.field, span.start, span.end) for span in spans] == [(0, 0, 40)]
