"""Specs that are wrong in one place each, and the whole of what is said of them: one slip, one error."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from batchrun.errors import SpecError
from batchrun.spec import load

SPEC = """\
version: 1
input: {path: rows.csv}
request:
  model: claude-haiku-4-5
  max_tokens: 300
  messages:
    - role: user
      content: "{{ body }}"
output: {path: out.jsonl}
"""
VERSION = "version: 1\n"
PATH = "path: rows.csv"
MODEL = "claude-haiku-4-5"
MAX_TOKENS = "max_tokens: 300"
ROLE = "role: user"
CONTENT = 'content: "{{ body }}"'
OUTPUT = "{path: out.jsonl}"

# What stands in SPEC, what is written in its place, and what is said: line:column, field, message.
WRONG: list[tuple[str, str, list[str]]] = [
    # YAML
    (SPEC, "\t- a\n", ["1:1 not valid YAML: a tab in the indentation"]),
    (SPEC, "a: 'x\n", ["1:4 not valid YAML: the text ends inside quotes"]),
    (SPEC, "a: x: y\n", ["1:5 not valid YAML: a ': ' where no key can stand"]),
    (SPEC, "a: {{ b }} c\n", ["1:12 not valid YAML: a template without quotes"]),
    (SPEC, "a: *b\n", ["1:4 not valid YAML: found undefined alias 'b'"]),
    (SPEC, "\r@", ["2:1 not valid YAML: found character '@' that cannot start any token"]),
    (SPEC, "a: @b\n", ["1:4 not valid YAML: found character '@' that cannot start any token"]),
    (SPEC, "a: [1, 2\nb: 3\n", ["2:2 not valid YAML: a ',' or a closing bracket is missing"]),
    (SPEC, "a: b\n- c\n", ["2:1 not valid YAML: this does not line up with what stands above"]),
    (VERSION, VERSION + "---\n", ["2:1 not valid YAML: a second document begins here"]),
    (VERSION, "", ["1:1 'version' is missing"]),
    (VERSION, VERSION + "version: 1\n", ["2:1 duplicate key 'version'; it already stands on line 1"]),
    (VERSION, "version: !!int 1\n", ["1:10 version: the tag !!int is not allowed"]),
    (VERSION, "version: ! 1\n", ["1:10 version: the tag ! is not allowed"]),
    (VERSION, "<<: {version: 1}\n", ["1:1 merge keys (<<) are not supported"]),
    (VERSION, VERSION + "3: x\n", ["2:1 the key 3 is not a string"]),
    (VERSION, VERSION + "? [a]\n: x\n", ["2:3 a key cannot be a list"]),
    (VERSION, VERSION + "name: &n [*n]\n", ["2:7 name[0]: contains itself"]),
    (CONTENT, "content: {{ body }}", ["8:16 request.messages[0].content: a template without quotes"]),
    (
        CONTENT,
        'content: "\\ud800"',
        ["8:16 request.messages[0].content: half of a surrogate pair (\\ud800 to \\udfff)"],
    ),
    (MAX_TOKENS, "max_tokens: .inf", ["5:15 request.max_tokens: .inf is not a number that JSON can hold"]),
    (
        MAX_TOKENS,
        "max_tokens: 99999999999999999999",
        ["5:15 request.max_tokens: 99999999999999999999 does not fit in 64 bits"],
    ),
    (MAX_TOKENS, "max_tokens: 1e999", ["5:15 request.max_tokens: 1e999 is too large for a number"]),
    # keys
    (VERSION, VERSION + "requst: 1\n", ["2:1 unknown key 'requst'"]),
    ("request:", "requst:", ["3:1 unknown key 'requst'"]),
    ("model:", "modle:", ["4:3 request: unknown key 'modle'"]),
    ("max_tokens:", "maxTokens:", ["5:3 request: unknown key 'maxTokens'"]),
    (PATH, "pth: rows.csv", ["2:9 input: unknown key 'pth'"]),
    (ROLE, "rol: user", ["7:7 request.messages[0]: unknown key 'rol'"]),
    (VERSION, VERSION + "model: x\n", ["2:1 unknown key 'model'"]),
    (VERSION, VERSION + "frobnicate: 1\n", ["2:1 unknown key 'frobnicate'"]),
    (MAX_TOKENS, MAX_TOKENS + "\n  frobnicate: 1", ["6:3 request: unknown key 'frobnicate'"]),
    (MAX_TOKENS, MAX_TOKENS + "\n  betas: []", ["6:3 request: unknown key 'betas'"]),
    (
        VERSION,
        VERSION + "base_url: https://example.com\n",
        ["2:1 'base_url': a spec cannot say where requests are sent"],
    ),
    (VERSION, VERSION + "api_key: sk\n", ["2:1 'api_key': a spec cannot hold or name a key"]),
    (VERSION, VERSION + "headers: {}\n", ["2:1 'headers': a spec cannot set headers"]),
    (VERSION, VERSION + "https-proxy: x\n", ["2:1 'https-proxy': a spec cannot set a proxy"]),
    (
        VERSION,
        VERSION + "verify: false\n",
        ["2:1 'verify': a spec cannot change how connections are secured"],
    ),
    (
        VERSION,
        VERSION + "workspace_id: w\n",
        ["2:1 'workspace_id': a spec cannot choose the account it runs in"],
    ),
    (MAX_TOKENS, MAX_TOKENS + "\n  stream: true", ["6:3 request: 'stream': batches never stream"]),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  speed: fast",
        ["6:3 request: 'speed': fast mode does not work in batches"],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  store: true",
        ["6:3 request: 'store': stored threads do not work in batches"],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  previous_thread_event_id: x",
        ["6:3 request: 'previous_thread_event_id': stored threads do not work in batches"],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  cache_hint: x",
        ["6:3 request: 'cache_hint': cache hints do not work in batches"],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  context_hint: x",
        ["6:3 request: 'context_hint': context hints do not work in batches"],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  fallbacks: []",
        ["6:3 request: 'fallbacks': fallback models do not work in batches"],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  billing_policy: {}",
        ["6:3 request: 'billing_policy': a batch cannot be billed to a user profile"],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  passthrough: {stream: true}",
        ["6:25 request.passthrough.stream: batches never stream"],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  passthrough: {max_tokens: 3}",
        ["6:17 request.passthrough: 'max_tokens' already stands in the request"],
    ),
    # missing
    (VERSION, "name: x\n", ["1:1 'version' is missing"]),
    ("input: {path: rows.csv}", "input: {id: x}", ["2:1 input: 'path' is missing"]),
    ("  max_tokens: 300\n", "", ["3:1 request: 'max_tokens' is missing"]),
    ('      content: "{{ body }}"\n', "", ["7:7 request.messages[0]: 'content' is missing"]),
    (SPEC, "version: 1\n", ["1:1 'input' is missing", "1:1 'output' is missing", "1:1 'request' is missing"]),
    (SPEC, "- version\n", ["1:1 the spec must be a mapping, not a list"]),
    # types
    (VERSION, "version: 2\n", ["1:10 version: must be 1, not 2"]),
    (MAX_TOKENS, "max_tokens: '300'", ["5:15 request.max_tokens: must be an integer, not the string '300'"]),
    (MAX_TOKENS, MAX_TOKENS + ".0", ["5:15 request.max_tokens: must be an integer, not 300.0"]),
    (
        MAX_TOKENS,
        "max_tokens: 1_000",
        ["5:15 request.max_tokens: must be an integer, not the string '1_000'"],
    ),
    (
        MAX_TOKENS,
        'max_tokens: "{{ n }}"',
        ["5:15 request.max_tokens: must be an integer, not the string '{{ n }}'"],
    ),
    (MAX_TOKENS, "max_tokens:", ["5:14 request.max_tokens: must be an integer, not null"]),
    (MAX_TOKENS, "max_tokens: true", ["5:15 request.max_tokens: must be an integer, not true"]),
    (
        MAX_TOKENS,
        "max_tokens: {$file: n.txt}",
        ["5:15 request.max_tokens: must be an integer, and $file gives a string"],
    ),
    (
        MAX_TOKENS,
        "max_tokens: {$row: n, or: 3}",
        ["5:15 request.max_tokens: $row stands alone in its mapping, without 'or'"],
    ),
    (MAX_TOKENS, "max_tokens: {$rwo: n}", ["5:16 request.max_tokens: unknown key '$rwo'"]),
    (MAX_TOKENS, "max_tokens: {$row: 3}", ["5:22 request.max_tokens.$row: must be a string, not 3"]),
    (CONTENT, "content: 3", ["8:16 request.messages[0].content: must be a string or a list, not 3"]),
    (CONTENT, "content: [{text: hi}]", ["8:17 request.messages[0].content[0]: 'type' is missing"]),
    (CONTENT, "content: [{typ: text, text: hi}]", ["8:18 request.messages[0].content[0]: unknown key 'typ'"]),
    (
        CONTENT,
        "content: [{type: txt, text: hi}]",
        ["8:24 request.messages[0].content[0].type: the string 'txt' is not known here"],
    ),
    (CONTENT, "content: [{type: text, txt: hi}]", ["8:30 request.messages[0].content[0]: unknown key 'txt'"]),
    (
        CONTENT,
        'content: [{type: "{{ t }}"}]',
        ["8:24 request.messages[0].content[0].type: must be written out"],
    ),
    (
        CONTENT,
        "content: [{type: image, source: {type: base64, media_type: image/pg, data: {$base64: a}}}]",
        [
            (
                "8:66 request.messages[0].content[0].source.media_type: must be 'image/jpeg', "
                "'image/png', 'image/gif' or 'image/webp', not the string 'image/pg'"
            )
        ],
    ),
    (
        CONTENT,
        "content: [{type: image, source: {type: url}}]",
        ["8:31 request.messages[0].content[0].source: 'url' is missing"],
    ),
    (
        CONTENT,
        "content: [{type: tool_result, tool_use_id: a, is_error: yes}]",
        ["8:63 request.messages[0].content[0].is_error: must be true or false, not the string 'yes'"],
    ),
    (
        ROLE,
        "role: human",
        ["7:13 request.messages[0].role: must be 'user', 'assistant' or 'system', not the string 'human'"],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  thinking: {type: adaptve}",
        [
            (
                "6:20 request.thinking.type: must be 'adaptive', 'enabled', 'disabled' or "
                "'between_tools', not the string 'adaptve'"
            )
        ],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  stop_sequences: END",
        ["6:19 request.stop_sequences: must be a list, not the string 'END'"],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  output_config: {effort: hi}",
        [
            (
                "6:27 request.output_config.effort: must be 'low', 'medium', 'high', 'xhigh' or 'max', "
                "not the string 'hi'"
            )
        ],
    ),
    (MAX_TOKENS, MAX_TOKENS + "\n  tools: [{name: x}]", ["6:11 request.tools[0]: 'input_schema' is missing"]),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  tools: [{type: web_serch_20260318}]",
        ["6:18 request.tools[0].type: the string 'web_serch_20260318' is not known here"],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  cache_control: {type: ephemeral, ttl: 2h}",
        ["6:41 request.cache_control.ttl: must be '5m' or '1h', not the string '2h'"],
    ),
    (MAX_TOKENS, MAX_TOKENS + "\n  temperature: 2", ["6:16 request.temperature: must be at most 1, not 2"]),
    (
        OUTPUT,
        OUTPUT + "\nlimits: {max_cost_usd: $5}",
        ["10:24 limits.max_cost_usd: must be a number, not the string '$5'"],
    ),
    (
        OUTPUT,
        OUTPUT + "\nlimits: {batch_bytes: 1GB}",
        ["10:23 limits.batch_bytes: must be from 1B to 240MB, not 1GB"],
    ),
    (
        OUTPUT,
        OUTPUT + "\nlimits: {max_in_flight: 10, batch_requests: 20}",
        [
            (
                "10:45 limits.batch_requests: must not be more than max_in_flight (10): such a batch "
                "could never be sent"
            )
        ],
    ),
    (
        OUTPUT,
        OUTPUT + "\npoll: {interval: 60}",
        ["10:18 poll.interval: must be a duration such as 90s, 15m, 25h or 1h30m, not 60"],
    ),
    (OUTPUT, OUTPUT + "\npoll: {timeout: 0s}", ["10:17 poll.timeout: must be longer than 0s, not 0s"]),
    (
        OUTPUT,
        OUTPUT + "\nreconcile: {over: 15 minutes}",
        [
            (
                "10:19 reconcile.over: must be a duration such as 90s, 15m, 25h or 1h30m, not the string "
                "'15 minutes'"
            )
        ],
    ),
    (
        OUTPUT,
        OUTPUT + "\nretry: {max_attempts: yes}",
        ["10:23 retry.max_attempts: must be an integer, not the string 'yes'"],
    ),
    (OUTPUT, OUTPUT + "\nbetas: [a, a]", ["10:8 betas: must not hold the same entry twice"]),
    (
        OUTPUT,
        OUTPUT + "\napi_version: 2023-06-02",
        ["10:14 api_version: must be '2023-06-01' or '2026-10-21', not the string '2023-06-02'"],
    ),
    (
        OUTPUT,
        OUTPUT + "\nname: my job",
        [
            (
                "10:7 name: must begin with a letter or digit and hold up to 64 letters, digits, '.', "
                "'_' or '-', not the string 'my job'"
            )
        ],
    ),
    # the request
    (
        MODEL,
        "claude-3-5-haiku-20241022",
        ["4:10 request.model: claude-3-5-haiku-20241022 was retired on 2026-02-19"],
    ),
    (MODEL, "claude-mythos-preview", ["4:10 request.model: claude-mythos-preview was retired on 2026-06-30"]),
    (
        MAX_TOKENS,
        "max_tokens: 0",
        ["5:15 request.max_tokens: 0 fills a cache and answers nothing; batches refuse it"],
    ),
    (
        MAX_TOKENS,
        "max_tokens: 100000",
        ["5:15 request.max_tokens: 100,000 is more than claude-haiku-4-5 can answer: 64,000"],
    ),
    (
        MODEL,
        "claude-opus-5\n  temperature: 0",
        ["5:16 request.temperature: claude-opus-5 takes only the default"],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  thinking: {type: enabled, budget_tokens: 2000}",
        ["6:44 request.thinking.budget_tokens: must be less than max_tokens (300), not 2000"],
    ),
    (
        MAX_TOKENS,
        MAX_TOKENS + "\n  tool_choice: {type: tool, name: x}",
        ["6:35 request.tool_choice.name: there is no tool named 'x'"],
    ),
    (
        CONTENT,
        "content: x\n    - {role: assistant, content: y}\n  passthrough: {model: x}",
        ["10:17 request.passthrough: 'model' already stands in the request"],
    ),
    (
        'messages:\n    - role: user\n      content: "{{ body }}"',
        "messages: []",
        ["6:13 request.messages: must not be empty"],
    ),
    (
        CONTENT,
        'content: "{{ body | }}"',
        ["8:16 request.messages[0].content: template: unexpected end of variable block, expected identifier"],
    ),
    (
        CONTENT,
        "content: |\n        line\n        {{ body | }}",
        [
            (
                "8:16 request.messages[0].content: template: unexpected end of variable block, expected "
                "identifier (line 2 of the text)"
            )
        ],
    ),
    (
        CONTENT,
        "content: {$file: none.md}",
        ["8:24 request.messages[0].content.$file: there is no file 'none.md'"],
    ),
    (
        CONTENT,
        "content: {$file: ../none.md}",
        ["8:24 request.messages[0].content.$file: '../none.md' lies outside the spec's folder"],
    ),
    (
        CONTENT,
        "content: {$file: latin1.txt}",
        ["8:24 request.messages[0].content.$file: 'latin1.txt' is not UTF-8: byte 3, line 2"],
    ),
    (
        CONTENT,
        "content: {$file: .}",
        ["8:24 request.messages[0].content.$file: FOLDER is not a regular file"],
    ),
    # paths
    (PATH, "path: /etc/passwd", ["2:15 input.path: '/etc/passwd' lies outside the spec's folder"]),
    (PATH, "path: [a.csv, ../b.csv]", ["2:23 input.path[1]: '../b.csv' lies outside the spec's folder"]),
    (PATH, "path: []", ["2:15 input.path: must not be empty"]),
    (PATH, PATH + ", format: requests", ["3:1 'request' cannot be used with input.format: requests"]),
    (PATH, "path: rows.tsv, format: tsv, delimiter: ';'", ["2:38 input: 'delimiter' has no meaning for tsv"]),
    (
        OUTPUT,
        "{path: out.txt}",
        ["9:16 output.path: must end in .jsonl, .csv or .parquet, not the string 'out.txt'"],
    ),
    (OUTPUT, "{path: ../out.jsonl}", ["9:16 output.path: '../out.jsonl' lies outside the spec's folder"]),
    (
        OUTPUT,
        "{path: .batchrun/out.jsonl}",
        ["9:16 output.path: '.batchrun/out.jsonl' lies inside .batchrun"],
    ),
    (OUTPUT, "{path: folder.csv}", ["9:16 output.path: is a folder"]),
    (PATH, "path: '*.jsonl'", ["9:16 output.path: is among the input (*.jsonl)"]),
    (PATH, "path: .", ["9:16 output.path: is among the input (.)"]),
    (
        OUTPUT,
        '{path: out.csv, columns: {a: "{{ jsn.label }}"}}',
        ["9:38 output.columns.a: 'jsn' is not a field of the output"],
    ),
    (
        OUTPUT,
        "{path: out.jsonl, columns: {a: '{{ b }}'}}",
        ["9:27 output: 'columns' shapes csv and parquet, not jsonl"],
    ),
    (
        OUTPUT,
        "{path: out.csv, columns: {a: '{{ b'}}",
        ["9:38 output.columns.a: template: unexpected end of input, expected end of variable block"],
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "latin1.txt").write_bytes(b"a\nb\xe9")
    (folder / "folder.csv").mkdir()
    return folder


@pytest.mark.parametrize(("old", "new", "said"), WRONG, ids=[repr(new)[:60] for _, new, _ in WRONG])
def test_a_slip_is_told_once_and_where_it_is(folder: Path, old: str, new: str, said: list[str]) -> None:
    assert SPEC.count(old) == 1
    spec = folder / "job.yaml"
    spec.write_text(SPEC.replace(old, new))

    with pytest.raises(SpecError) as caught:
        load(spec, today=date(2026, 11, 22))

    def shown(where: str, field: str, message: str) -> str:
        text = f"{field}: {message}" if field else message
        return f"{where.removeprefix(f'{spec}:')} {text}".replace(str(folder), "FOLDER")

    assert [shown(p.where, p.field, p.message) for p in caught.value.problems] == said


def test_the_spec_they_are_made_from_is_right(folder: Path) -> None:
    spec = folder / "job.yaml"
    spec.write_text(SPEC)
    assert load(spec).job.name == "job"
