from __future__ import annotations

import resource
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.errors import DataError
from batchrun.model import Json, Place, Template
from batchrun.templates.compiled import check_syntax, compile_template, to_text
from batchrun.templates.sandbox import FUEL

PLACE = Place("job.yaml", 3, 5)
LOGIC = "{% if true %}{% endif %}"
"""Does nothing, but takes the template off the fast path."""

ROW: dict[str, Json] = {"subject": "Hi", "body": "Text", "n": 3, "tags": ["a", 1], "who": {"name": "Zoë"}}


def render(source: str, values: dict[str, Any] | None = None) -> str:
    return compile_template(Template(source, PLACE)).render(ROW if values is None else values)


def failure(source: str, values: dict[str, Any] | None = None) -> tuple[str, str]:
    with pytest.raises(DataError) as caught:
        render(source, values)
    assert caught.value.where == "job.yaml:3:5"
    return str(caught.value), caught.value.hint


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXT,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(TEXT, part, max_size=3),
    max_leaves=8,
)


@given(VALUES, TEXT.filter(lambda text: "{" not in text))
def test_the_fast_path_and_the_engine_write_the_same(value: Json, around: str) -> None:
    source = around + "{{ value }}" + around
    fast, slow = compile_template(Template(source, PLACE)), compile_template(Template(source + LOGIC, PLACE))
    assert fast.parts is not None
    assert slow.parts is None
    assert fast.render({"value": value}) == slow.render({"value": value}) == around + to_text(value) + around


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        ("", ""),
        (3, "3"),
        (3.0, "3"),
        (-0.0, "0"),
        (2.5, "2.5"),
        (1e300, "1e+300"),
        (float(2**63), "9223372036854775807"),
        (True, "true"),
        (None, "null"),
        ([1, "ä", 2.0], '[1,"ä",2.0]'),
        ({"b": 1, "a": None}, '{"b":1,"a":null}'),
    ],
)
@pytest.mark.parametrize("logic", ["", LOGIC])
def test_how_values_stand_in_a_text(value: Json, text: str, logic: str) -> None:
    assert render("<{{ value }}>" + logic, {"value": value}) == f"<{text}>"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("no placeholder, 100 % { } }} %}", "no placeholder, 100 % { } }} %}"),
        ("{{subject}}: {{   body   }}\n", "Hi: Text\n"),
        ("trailing\n\n", "trailing\n\n"),
        ("{{ subject }}\n" + LOGIC, "Hi\n"),
        (LOGIC + "trailing\n\n", "trailing\n\n"),
        ("a\r\nb\u2028{{ n }}\r" + LOGIC, "a\r\nb\u20283\r"),
        ("{{ subject|upper }}", "HI"),
        ("{% for t in tags %}{{ t }};{% endfor %}", "a;1;"),
        ("{{ who.name }} {{ tags[0] }}", "Zoë a"),
        ("{{ 'x' if n > 2 else 'y' }}", "x"),
        ("{# a remark #}{{ n }}", "3"),
        ("{% raw %}{{ body }}{% endraw %}", "{{ body }}"),
        ("<b>{{ '<i>' }}</b>", "<b><i></b>"),
        ("{{ row.subject }}", "Hi"),
        ("{{ row['subject'] }}", "Hi"),
        ("{{ nothing|default('none') }}", "none"),
    ],
)
def test_templates(source: str, text: str) -> None:
    assert render(source) == text


def test_columns_of_any_name() -> None:
    values: dict[str, Json] = {
        "a b": "1",
        "größe": "2",
        "for": "3",
        "self": "4",
        "name": "5",
        "": "6",
        "loop": "7",
    }
    source = "{{ row['a b'] }}{{ größe }}{{ row['for'] }}{{ self }}{{ name }}{{ row[''] }}{{ loop }}"
    assert render(source, values) == "1234567"


def test_a_column_named_row_is_that_column() -> None:
    assert render("{{ row }}", {"row": "7", "a": 1}) == "7"
    assert render("{{ row }}", {"a": 1}) == '{"a":1}'


@pytest.mark.parametrize("source", ["{{ body }}", "{{ body }}" + LOGIC, "{{ row.body|trim }}", "{{ row }}"])
def test_a_row_is_never_a_template(source: str) -> None:
    for text in ("{{ subject }}", "{% for x in y %}", "{# #}", "{{ 1/0 }}"):
        assert text in render(source, {"body": text, "subject": "secret"})


@given(TEXT)
def test_any_row_comes_through_as_it_is(text: str) -> None:
    assert render("{{ body }}", {"body": text}) == render("{{ body }}" + LOGIC, {"body": text}) == text


# ---- names that are not there


@pytest.mark.parametrize(
    "source",
    [
        "{{ subjekt }}",
        "{{ subjekt }}" + LOGIC,
        "{{ row.subjekt }}",
        "{{ row['subjekt'] }}",
        "{{ subjekt.x.y }}",
    ],
)
def test_an_unknown_column(source: str) -> None:
    message, hint = failure(source)
    assert message == "'subjekt' is not a column of the input"
    assert hint == "did you mean 'subject'? columns: subject, body, n, tags, who"


def test_an_unknown_column_among_many() -> None:
    _, hint = failure("{{ zzz }}", {f"c{n}": 1 for n in range(30)})
    assert hint == "columns: " + ", ".join(f"c{n}" for n in range(20)) + ", …"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ who.nome }}", "`who.nome` is undefined"),
        ("{{ who['nome'] }}", "`who['nome']` is undefined"),
        ("{{ tags[7] }}", "`tags[7]` is undefined"),
        ("{{ who.__class__ }}", "`who.__class__` is undefined"),
        ("{{ subject + 1 }}", "tried to use + operator on unsupported types string and number"),
        ("{{ tags.nope() }}", "'list' object has no attribute 'nope'"),
        ("{{ tags.remove('z') }}", "list.remove(x): x not in list"),
        ("{{ tags.pop(9) }}", "pop index out of range"),
        ("{{ tags.pop('z') }}", "'str' object cannot be interpreted as an integer"),
        ("{{ subject.nope() }}", "string has no method named nope"),
        ("{{ nope() }}", "nope is unknown"),
        ("{{ subject|nope }}", "filter nope is unknown"),
    ],
)
def test_what_fails_in_an_expression(source: str, reason: str) -> None:
    message, hint = failure(source)
    assert (message, hint) == (f"template: {reason}", "")


# ---- syntax


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ a", "template: unexpected end of input, expected end of variable block"),
        ("{{ }}", "template: unexpected end of variable block"),
        ("one\ntwo\n{% if %}", "template: unexpected end of block (line 3 of the text)"),
        ("{% for x in tags %}", "template: unexpected end of input, expected end of block"),
        ("{{ a b }}", "template: unexpected identifier, expected end of variable block"),
    ],
)
def test_syntax(source: str, message: str) -> None:
    problem = check_syntax(Template(source, PLACE))
    assert problem is not None
    assert (problem.message, problem.where) == (message, "job.yaml:3:5")
    hint = "write {{ column }} for a value; {% raw %}…{% endraw %} keeps braces as they are"
    assert problem.hint == hint
    assert failure(source) == (message, hint)


def test_sound_syntax_is_no_problem() -> None:
    assert check_syntax(Template("{{ a }}{% if b %}{% endif %}", PLACE)) is None


# ---- the sandbox


DOUBLING = (
    "{% set ns = namespace(x='aaaaaaaaaa') %}"
    "{% for i in range(27) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x|length }}"
)
BOUND = "its memory could not be bounded"


@pytest.mark.parametrize("place", ["tags.append(tags)", "tags.extend(tags)", "tags.insert(0, tags)"])
def test_nothing_is_added_to_a_list(place: str) -> None:
    message = f"template: it cannot use `a method that adds to a list`: {BOUND}"
    assert failure("{{ " + place + " }}", {"tags": ["a"]}) == (message, "")


@pytest.mark.parametrize("place", ["who.update({'b': who})", "who.setdefault('b', who)"])
def test_nothing_is_added_to_an_object(place: str) -> None:
    message = f"template: it cannot use `a method that adds to an object`: {BOUND}"
    assert failure("{{ " + place + " }}", {"who": {"a": 1}}) == (message, "")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{% macro m(x, n) %}{{ m(x ~ x, n - 1) if n else x }}{% endmacro %}{{ m('a', 99) }}", "macro"),
        ("{%- block a %}{% set x = x ~ x %}{{ self.a() }}{% endblock %}", "block"),
        ("{%\ninclude 't' %}", "include"),
        ("{% for x in tags recursive -%}{{ loop([x ~ x]) }}{% endfor %}", "recursive"),
        ("{{ '{:>1000000000}'.format(1) }}", "format"),
    ],
)
def test_what_a_template_cannot_use(source: str, name: str) -> None:
    hint = f"{BOUND}; where it is meant as text, write {{{{ '{name}' }}}}"
    problem = check_syntax(Template(source, PLACE))
    assert problem is not None
    assert (problem.message, problem.hint) == (f"template: it cannot use `{name}`", hint)
    assert failure(source) == (problem.message, hint)


def test_the_same_words_in_a_text_without_logic() -> None:
    assert render("print('{}'.format(x)) {{ x }}", {"x": "1"}) == "print('{}'.format(x)) 1"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (DOUBLING, "namespace"),
        ('{{ "%1000000000d"|format(1) }}', "format"),
    ],
)
def test_what_would_take_all_memory_ends_at_once(source: str, name: str) -> None:
    """In a process of its own, which could not get that much."""
    program = f"""
import resource
from batchrun.errors import DataError
from batchrun.model import Place, Template
from batchrun.templates.compiled import compile_template
resource.setrlimit(resource.RLIMIT_AS, (600_000_000, 600_000_000))
try:
    compile_template(Template({source!r}, Place("job.yaml", 3, 5))).render({{"x": "1"}})
except DataError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, f"template: it cannot use `{name}`: {BOUND}\n"), ran.stderr


@pytest.mark.parametrize(
    "source",
    ["{% include 't' %}", "{% include '/etc/passwd' %}", "{% import 't' as t %}", "{% from 't' import t %}"],
)
def test_no_template_reaches_another(source: str) -> None:
    assert failure(source)[0].startswith("template: ")


def test_a_template_cannot_change_the_row() -> None:
    values: dict[str, Json] = {"tags": ["a"], "who": {"name": "Zoë"}}
    assert render("{{ tags.pop() }}{{ who.pop('name') }}{{ tags }}{{ who }}", values) == "aZoë[]{}"
    assert values == {"tags": ["a"], "who": {"name": "Zoë"}}


def test_lists_and_objects_are_what_they_were_otherwise() -> None:
    source = (
        "{% for t in tags %}{{ loop.index }}{{ t.a }}{% endfor %}{{ tags|length }}{{ tags|tojson }}{{ tags }}"
    )
    assert render(source, {"tags": [{"a": [1]}]}) == '1[1]1[{"a": [1]}][{"a":[1]}]'


LOOPS = "".join(f"{{% for i{n} in [1, 2] %}}" for n in range(100)) + "{{ x }}" + "{% endfor %}" * 100


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (LOOPS, f"it takes more than {FUEL:,} steps"),
        (
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            f"it takes more than {FUEL:,} steps",
        ),
        ("{{ range(10**9) }}", "range has too many elements"),
        ("{{ x * 10**9 }}", f"it takes more than {FUEL:,} steps"),
        ("{{ x * 10**7 }}", f"it takes more than {FUEL:,} steps"),
        (
            "{% for i in range(99999) %}{{ x * 10**4 }}{% endfor %}",
            f"it takes more than {FUEL:,} steps",
        ),
        ("{{ [x] * 10**9 }}", "repeated sequence is too large"),
    ],
)
def test_what_a_template_may_take_is_bounded(source: str, reason: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message, _ = failure(source, {"x": "abcdefghij"})
    assert message == f"template: {reason}"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # kB


def test_the_bound_is_on_one_rendering() -> None:
    compiled = compile_template(Template("{{ x * 10**6 }}" + LOGIC, PLACE))
    for _ in range(8):
        assert len(compiled.render({"x": "abcdefghij"})) == 10_000_000


@pytest.mark.parametrize("logic", ["", LOGIC])
@pytest.mark.parametrize(
    ("value", "reason"),
    [(2**70, "Integer exceeds 64-bit range"), ([b"x"], "Type is not JSON serializable: bytes")],
)
def test_values_that_json_does_not_have(value: Any, reason: str, logic: str) -> None:
    assert failure("{{ x }}" + logic, {"x": value})[0] == f"template: {reason}"


def test_a_text_without_placeholders_is_known_before_any_row() -> None:
    assert compile_template(Template("plain", PLACE)).constant == "plain"
    assert compile_template(Template("{{ a }}", PLACE)).constant is None
    assert compile_template(Template(LOGIC, PLACE)).constant is None
