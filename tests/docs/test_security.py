"""docs/security.md keeps its word: every limit has its row, every row names what exists; every parser is fuzzed."""
import os
import re
from pathlib import Path

import pytest

from test_docs import ROOT, known_tests, read, sources

PAGE = "docs/security.md"
FUZZ = Path(ROOT) / "fuzz"


def limits() -> dict:
    """The constants of src/base/limits.h and of its like in ua and anchor: "sip::kT1": "500ms"."""
    found, module = {}, ""
    for line in "".join(read("src", folder, "limits.h") for folder in ("base", "ua", "anchor")).splitlines():
        if opened := re.match(r"namespace causeway::(\w+)::limits \{", line):
            module = opened.group(1)
        if constants := re.match(r"inline constexpr [\w:]+ (k.+);", line):
            found |= {f"{module}::{name}": value for name, value in re.findall(r"(k\w+) = ([^,]+)", constants.group(1))}
    return found


def table(heading: str) -> list:
    """The rows of the table under that heading, cell by cell, without its own heading."""
    text = read(*PAGE.split("/")).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return [row for row in rows[2:] if not row[0].startswith("**")]


def all_sources() -> str:
    return "\n".join(open(path, encoding="utf-8").read() for ending in (".cc", ".h") for path in sources("src", ending)
                     if not path.endswith("_test.cc"))


SOURCES = all_sources()
CONVERSATIONS = {name for _, _, names in os.walk(os.path.join(ROOT, "tests", "sipt")) for name in names}
TESTS = known_tests() | CONVERSATIONS


def unknown_tests(cell: str) -> list:
    return [name for name in re.split(r",\s*", cell.replace("`", "")) if name not in TESTS]


def unknown_counters(cell: str) -> list:
    """Of names such as `x_total{reason="y"}` those of which the sources do not have both parts. The counters of the
    relay's own network have "relay_" before their names."""
    wrong = []
    for name in re.findall(r"`([^`]+)`", cell):
        base, label = re.fullmatch(r'(?:relay_(?=net_))?(\w+)(?:\{\w+="(.+)"\})?', name).groups()
        if f'"{base}' not in SOURCES or (label and not re.search(rf'"{label}\\?"|= {label}\b', SOURCES)):
            wrong.append(name)
    return wrong


def test_every_limit_has_a_row():
    assert {row[0].strip("`") for row in table("Limits")} == set(limits()), f"src/base/limits.h, src/ua/limits.h, src/anchor/limits.h and the table in {PAGE}"


@pytest.mark.parametrize("row", table("Limits"), ids=lambda row: row[0].strip("`"))
def test_a_limit_is_as_its_row_says(row):
    name, value, beyond, counter, setting, tests = row
    assert value.strip("`") == limits()[name.strip("`")]
    assert beyond
    assert counter == "-" or (re.search("`", counter) and unknown_counters(counter) == [])
    keys = re.findall(r'"([a-z]+\.[a-z_]+)"', read("src", "peer", "config.cc"))
    assert setting == "-" or setting.strip("`") in keys
    assert tests and unknown_tests(tests) == []


@pytest.mark.parametrize("row", table("Attacks"), ids=lambda row: row[0])
def test_an_attack_names_its_counter_and_its_test(row):
    _, becomes, counters, tests = row
    assert becomes and counters and unknown_counters(counters) == []
    assert tests and unknown_tests(tests) == []


def test_what_is_a_limit_stands_in_one_place():
    """A constant whose name says so (kMax...) stands in limits.h, unless it follows from what is counted there."""
    elsewhere = {f"{Path(path).name} {name}" for ending in (".cc", ".h") for path in sources("src", ending)
                 for name in re.findall(r"constexpr [\w:]+ (kMax\w*) =", open(path, encoding="utf-8").read())
                 if not path.endswith(("limits.h", "_test.cc"))}
    assert elsewhere == set(FOLLOWS)


FOLLOWS = {
    "certificate.cc kMaxName": "X.509's own (ub-common-name)",
    "key.cc kMaxDer": "the longest form of two numbers of 32 bytes",
    "sealing.cc kMaxPayload": "from kMaxUserPart",
    "credential.h kMaxSeconds": "the end of the year 9999",
    "record_body.cc kMaxTime": "the same in milliseconds",
    "record.h kMaxUri": "from kMaxUserPart and kMaxDomain",
    "record.h kMaxAhead": "from the skew of clocks",
    "authority.cc kMaxValidDays": "a century: an operator's typing error",
}

# What reads bytes or text of others: its fuzz target calls it, or this says why there is none.
READER = re.compile(r"^(?:static )?(?:std::optional|base::Result|base::Status|Parsed|std::expected|bool|std::size_t)\b.*?"
                    r"\b((?:parse|read|decode|from|open|find|is_one|check)_?\w*)\((?:const )?(?:std::string_view|std::span<const|Rdata|"
                    r"sip::Message|Message|std::string)", re.M)
NOT_FUZZED = {
    "check_authority_certificate": "through Bundle::read_text",
    "check_member_certificate": "through Bundle::read_text",
    "from_strict_router": "through proxy/peer",
    "parse_account_media": "a word of a list",
    "parse_digest_name": "a word of a list",
    "parse_transport": "a word of a list",
    "read_nodes": "the text of the file is read by parse_nodes",
    "read_password": "typed by the operator, not looked into",
    "read_private_file": "the bytes of a file, not looked into",
}


def test_every_reader_is_fuzzed():
    targets = "\n".join(path.read_text() for path in FUZZ.rglob("*.cc"))
    readers = {name for path in sources("src", ".h") if "test" not in Path(path).name
               for name in READER.findall(open(path, encoding="utf-8").read())}
    assert len(readers) > 25
    missing = {name for name in readers if not re.search(rf"\b{name}\b", targets)}
    assert missing == set(NOT_FUZZED)


def test_every_target_has_its_corpus_and_its_row():
    targets = {f"{path.parent.name}/{path.stem}" for path in FUZZ.glob("*/*.cc")}
    assert all(any((FUZZ / f"{target}.corpus").iterdir()) for target in targets)
    corpora = {f"{path.parent.name}/{path.stem}" for path in FUZZ.glob("*/*.corpus")}
    assert corpora == targets
    assert {row[0].strip("`") for row in table("Fuzzing")} == targets
