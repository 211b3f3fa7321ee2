"""CSV and TSV: what is read, and every way in which a file can be wrong."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchrun.errors import DataError, Problem
from batchrun.inputs.rows import open_rows
from batchrun.model import Row, Slice
from tests.inputs.helpers import problem, read, spec, values, write


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a,b\n", []),
        (b"a,b", []),
        (b"a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        (b"a,b\n1,2", [{"a": "1", "b": "2"}]),
        (b"a,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
        (b"a,b\n1,2\n\n\r\n", [{"a": "1", "b": "2"}]),
        (b"\xef\xbb\xbfa,b\n1,2\n", [{"a": "1", "b": "2"}]),
        (b'\xef\xbb\xbf"a",b\n1,2\n', [{"a": "1", "b": "2"}]),
        (b'a,b\n"x\ny","p\r\nq"\n', [{"a": "x\ny", "b": "p\r\nq"}]),
        (b'a,b\n"say ""hi""",\n', [{"a": 'say "hi"', "b": ""}]),
        (b'a\n""\n', [{"a": ""}]),
        (b"a,b\n 1 , 2\n", [{"a": " 1 ", "b": " 2"}]),
        (b'a,b\n5" pipe,x\n', [{"a": '5" pipe', "b": "x"}]),
        ("ä,β\n日本,🙂\n".encode(), [{"ä": "日本", "β": "🙂"}]),
        ("a\nx\u2028y\x0bz\x85w\n".encode(), [{"a": "x\u2028y\x0bz\x85w"}]),
        (b'a\n"x\ry"\n', [{"a": "x\ry"}]),
    ],
)
def test_reads(tmp_path: Path, data: bytes, expected: list[object]) -> None:
    write(tmp_path, {"t.csv": data})
    assert values(tmp_path, "t.csv") == expected


def test_a_field_may_be_larger_than_the_limit_of_the_csv_module(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    write(tmp_path, {"t.csv": b'a,b\n"' + b"x,\n" * 1_000_000 + b'",2\n'})
    ((row,)) = read(tmp_path, "t.csv")
    assert row.values == {"a": "x,\n" * 1_000_000, "b": "2"}
    assert csv.field_size_limit() == before


def test_rows_know_their_number_and_the_line_they_begin_on(tmp_path: Path) -> None:
    write(tmp_path, {"t.csv": b'a,b\n"x\ny",1\n2,3\n', "u.csv": b"b,a\n5,4\n"})
    rows = read(tmp_path, "t.csv", "u.csv")
    assert [(row.number, row.id, row.where) for row in rows] == [
        (1, "1", "t.csv:2"),
        (2, "2", "t.csv:4"),
        (3, "3", "u.csv:2"),
    ]
    assert rows[2].values == {"a": "4", "b": "5"}


def test_delimiters(tmp_path: Path) -> None:
    write(tmp_path, {"t.csv": b"a;b\n1,5;2\n", "t.tsv": b'a\tb\n1,5\t"x\ty"\n', "p.tsv": b"a|b\n1|2\n"})
    assert values(tmp_path, "t.csv", delimiter=";") == [{"a": "1,5", "b": "2"}]
    assert values(tmp_path, "t.tsv") == [{"a": "1,5", "b": "x\ty"}]
    assert values(tmp_path, "p.tsv", delimiter="|") == [{"a": "1", "b": "2"}]
    assert values(tmp_path, "t.tsv", format="csv", delimiter="\t") == [{"a": "1,5", "b": "x\ty"}]


FAULTS: list[tuple[bytes, Problem]] = [
    (
        b"id,text,id\n",
        Problem("columns 1 and 3 are both named 'id'", "t.csv:1", "give every column a name of its own"),
    ),
    (b"a,,c\n", Problem("column 2 of 3 has no name", "t.csv:1", "name every column in the header")),
    (b"a, \n", Problem("column 2 of 2 has no name", "t.csv:1", "name every column in the header")),
    (b"\na,b\n", Problem("the first line is blank", "t.csv:1", "put the column names there")),
    (
        b"a,b\n1,2\n3,4,5\n",
        Problem(
            "row 2 has 3 fields, the header has 2",
            "t.csv:3",
            "a field that holds ',', a quote or a line end needs quotes around it",
        ),
    ),
    (
        b'a,b,c\n"x\ny",2,3\n4\n',
        Problem(
            "row 2 has 1 field, the header has 3",
            "t.csv:4",
            "its last value stands in column 'a'; leave none out, even if empty",
        ),
    ),
    (
        b"a,b\n1,2\n\n3,4\n",
        Problem("row 2 is a blank line", "t.csv:3", 'remove it, or write an empty value as ""'),
    ),
    (
        b'a,b\n1,2\n\n3,"4\n',
        Problem("row 2 is a blank line", "t.csv:3", 'remove it, or write an empty value as ""'),
    ),
    (
        b'a,b\n1,2\n3,"4\n5,6\n7,8\n',
        Problem(
            "row 2: the quoted field that begins at line 3, column 3, never ends",
            "t.csv:3",
            'close it with ", and write a quote inside it as ""',
        ),
    ),
    (
        b'a,b\n"1\nx","2\n5,6\n7,"8"\n',
        Problem(
            "row 1: '8' at line 5, column 4, follows the closing quote of "
            "the quoted field that begins at line 3, column 4",
            "t.csv:5",
            "a quote inside a quoted field is written \"\"; a field ends with ',' or a line end",
        ),
    ),
    (
        b'a,b\nx,"y" z\n',
        Problem(
            "row 1: ' ' at line 2, column 6, follows the closing quote of "
            "the quoted field that begins at line 2, column 3",
            "t.csv:2",
            "a quote inside a quoted field is written \"\"; a field ends with ',' or a line end",
        ),
    ),
    (
        b'"a,b\n',
        Problem(
            "the header: the quoted field that begins at line 1, column 1, never ends",
            "t.csv:1",
            'close it with ", and write a quote inside it as ""',
        ),
    ),
    (
        b"a,b\r1,2\r",
        Problem(
            "the header: a carriage return outside quotes, at column 4",
            "t.csv:1",
            "end lines with LF or CR LF, and put quotes around a field that holds a CR",
        ),
    ),
    (
        b"a,b\n1,2\n3,\x004\n",
        Problem(
            "a NUL byte, which no text holds: byte 0x00 at offset 10",
            "t.csv:3",
            "save it as UTF-8, for instance: iconv -f utf-16 -t utf-8 OLD > NEW",
        ),
    ),
    (
        b"\xef\xbb\xbfa,b\n1,2\n3,caf\xe9\n",
        Problem(
            "not UTF-8: byte 0xe9 at offset 16",
            "t.csv:3",
            "save it as UTF-8, for instance: iconv -f windows-1252 -t utf-8 OLD > NEW",
        ),
    ),
    (
        "a,b\n1,2\n".encode("utf-16"),
        Problem(
            "not UTF-8: byte 0xff at offset 0",
            "t.csv:1",
            "save it as UTF-8, for instance: iconv -f utf-16 -t utf-8 OLD > NEW",
        ),
    ),
]


@pytest.mark.parametrize(("data", "expected"), FAULTS)
def test_faults(tmp_path: Path, data: bytes, expected: Problem) -> None:
    write(tmp_path, {"t.csv": data})
    assert problem(tmp_path, "t.csv", error=DataError) == expected


@pytest.mark.parametrize(("data", "expected"), FAULTS[-4:])
def test_faults_are_placed_in_the_decompressed_text(tmp_path: Path, data: bytes, expected: Problem) -> None:
    write(tmp_path, {"t.csv": gzip.compress(data)})
    assert problem(tmp_path, "t.csv", error=DataError) == expected


def test_rows_before_a_fault_in_a_later_file_count(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": b"a\n1\n2\n", "b.csv": b'a\n3\n"4\n'})
    assert problem(tmp_path, "*.csv", error=DataError) == Problem(
        "row 4: the quoted field that begins at line 3, column 1, never ends",
        "b.csv:3",
        'close it with ", and write a quote inside it as ""',
    )


def test_a_fault_far_into_a_file_is_placed(tmp_path: Path) -> None:
    rows = b'"some\nlines",1\n' * 100_000
    write(tmp_path, {"t.csv": b"a,b\n" + rows + b'x,"y"z\n' + rows})
    found = problem(tmp_path, "t.csv", error=DataError)
    assert found.where == "t.csv:200002"
    assert found.message == (
        "row 100001: 'z' at line 200002, column 6, follows the closing quote of "
        "the quoted field that begins at line 200002, column 3"
    )


def test_files_with_other_columns(tmp_path: Path) -> None:
    write(tmp_path, {"1.csv": b"a,b\n1,2\n", "2.csv": b"a,c,d\n1,2,3\n"})
    assert problem(tmp_path, "*.csv", error=DataError) == Problem(
        "the columns are not those of 1.csv: it lacks 'b' and adds 'c', 'd'",
        "2.csv:1",
        "files of one input have the same columns; give these a job of their own",
    )


def test_an_empty_file_among_others_has_no_rows(tmp_path: Path) -> None:
    write(tmp_path, {"1.csv": b"", "2.csv": b"a\n1\n", "3.csv": b""})
    assert values(tmp_path, "*.csv") == [{"a": "1"}]


_FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_TABLES = st.integers(1, 4).flatmap(
    lambda width: st.tuples(
        st.lists(_FIELD.filter(str.strip), min_size=width, max_size=width, unique=True),
        st.lists(st.lists(_FIELD, min_size=width, max_size=width), max_size=8),
    )
)


@given(
    table=_TABLES,
    packed=st.booleans(),
    bom=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(",;\t"),
)
def test_what_csv_writes_is_read_back(
    table: tuple[list[str], list[list[str]]], packed: bool, bom: bool, end: str, mark: str
) -> None:
    header, rows = table
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=mark, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(header)
    writer.writerows(rows)
    data = buffer.getvalue().encode("utf-8-sig" if bom else "utf-8")
    with TemporaryDirectory() as folder:
        write(Path(folder), {"t.csv": gzip.compress(data) if packed else data})
        assert values(Path(folder), "t.csv", delimiter=mark) == [
            dict(zip(header, row, strict=True)) for row in rows
        ]


def test_an_empty_file_has_no_id_column(tmp_path: Path) -> None:
    """A table that was truncated by mistake must not pass for one without rows."""
    write(tmp_path, {"t.csv": b""})
    assert problem(tmp_path, "t.csv", error=DataError, id="a") == Problem(
        "the file is empty: it has no header, and so no column 'a'",
        "t.csv",
        "put the header back; a file with a header alone has no rows",
    )


# ---- many rows at once -------------------------------------------------------------------------


def pieces(root: Path, name: str, id: str | None = None) -> list[Row | Slice]:
    return list(open_rows(spec(name, id=id), root=root).pieces())


def test_a_table_of_several_blocks_comes_in_slices(tmp_path: Path) -> None:
    rows = [(f"{n}", 'say "hi",\r\n' * (n % 7) + "x" * 90, "ü\n" if n % 3 else "") for n in range(30_000)]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([("id", "text\nand more", "last"), *rows])
    write(tmp_path, {"t.csv": text.getvalue().encode()})
    found = pieces(tmp_path, "t.csv", id="id")
    slices = [piece for piece in found if isinstance(piece, Slice)]
    assert len(slices) == len(found) > 3
    assert [tuple(row.values.values()) for piece in slices for row in piece.rows()] == rows
    assert [id for piece in slices for id in piece.ids] == [row[0] for row in rows]
    lines = text.getvalue().encode().split(b"\n")
    for piece in slices:
        row = next(piece.rows())
        assert lines[int(row.where.partition(":")[2]) - 1].startswith(row.id.encode() + b",")


@pytest.mark.parametrize("odd", ['5" pipe', '"a\nb"', '6" "'])
def test_quotes_that_do_not_come_in_pairs(tmp_path: Path, odd: str) -> None:
    lines = [f"{n},{odd},{'y' * 50}" for n in range(40_001)]
    write(tmp_path, {"t.csv": "\n".join(["id,text,z", *lines]).encode()})
    found = read(tmp_path, "t.csv", id="id")
    assert len(found) == 40_001
    assert {row.values["text"] for row in found} == {odd if odd[0] != '"' else odd.strip('"')}


@given(text=st.text(st.sampled_from('aé🙂 ",\r\n\v\u2028'), max_size=24), width=st.integers(1, 3))
@example(text='a,b"c\n"""",d\n', width=2)
@example(text='"a""",b\r\n,"\r\n"\n', width=2)
def test_a_table_is_what_the_csv_module_reads(text: str, width: int) -> None:
    """In slices, row by row, or both: and it is refused where the module refuses it."""
    header = ["x", "y", "z"][:width]
    lines = io.StringIO(text, newline="\n")
    try:
        expected = list(csv.reader(lines, strict=True))
        while expected and not expected[-1]:  # blank lines at the end mean nothing
            expected.pop()
        refused = any(len(row) != width for row in expected)
    except csv.Error:
        expected, refused = [], True
    with TemporaryDirectory() as folder:
        write(Path(folder), {"t.csv": f"{','.join(header)}\n{text}".encode()})
        try:
            found = [list(row.values.values()) for row in read(Path(folder), "t.csv")]
        except DataError:
            assert refused
        else:
            assert not refused
            assert found == expected


def test_a_table_with_very_many_columns(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(3_000)]
    write(tmp_path, {"t.csv": "\n".join([",".join(names)] * 3).encode()})
    assert [list(row.values.values()) for row in read(tmp_path, "t.csv")] == [names, names]


def test_a_delimiter_that_is_several_bytes(tmp_path: Path) -> None:
    write(tmp_path, {"t.csv": "a、b\n1、ま\n".encode()})
    assert values(tmp_path, "t.csv", delimiter="、") == [{"a": "1", "b": "ま"}]


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ("7,twice\n", "row 40001 has the id '7' of row 8 (t.csv:9)"),
        (" ,blank\n", "row 40001: the id ('id') is empty"),
        ("x\n", "row 40001 has 1 field, the header has 2"),
        ("x,y,z\n", "row 40001 has 3 fields, the header has 2"),
        ('x,"open\n', "row 40001: the quoted field that begins at line 40002, column 3, never ends"),
        ("\nx,y\n", "row 40001 is a blank line"),
    ],
)
def test_what_is_wrong_in_a_late_block_is_named(tmp_path: Path, tail: str, message: str) -> None:
    text = "id,text\n" + "".join(f"{n},{'y' * 50}\n" for n in range(40_000)) + tail
    write(tmp_path, {"t.csv": text.encode()})
    found = problem(tmp_path, "t.csv", id="id", error=DataError)
    assert (found.message, found.where) == (message, "t.csv:40002")
