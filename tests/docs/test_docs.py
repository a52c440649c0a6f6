"""The documentation says what is there: requirements of the draft, settings, links."""
import os
import re
import resource
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("CAUSEWAY", os.path.join(ROOT, "build", "release", "causeway"))

# How often each section of the draft uses a key word of RFC 2119 to demand something.
KEY_WORDS = {"2": 1, "2.1": 2, "3.1": 5, "3.1.1": 1, "3.2.1": 2, "3.3.1": 2, "4": 2, "4.1": 3, "4.2": 4}


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def sources(folder, ending):
    for where, _, names in os.walk(os.path.join(ROOT, folder)):
        for name in names:
            if name.endswith(ending):
                yield os.path.join(where, name)


def requirements():
    rows = [line.split("|")[1:-1] for line in read("docs", "draft.md").splitlines() if re.match(r"\| [0-9]", line)]
    return [[cell.strip() for cell in row] for row in rows]


def known_tests():
    names = set()
    for path in sources("src", "_test.cc"):
        names |= {".".join(t) for t in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", open(path, encoding="utf-8").read(), re.M)}
    for path in sources("tests", ".py"):
        names |= set(re.findall(r"^def (test_\w+)", open(path, encoding="utf-8").read(), re.M))
    for path in sources(os.path.join("lab", "scenes"), ".py"):
        names |= {"scene " + name for name in re.findall(r'^ID = "(.*)"', open(path, encoding="utf-8").read(), re.M)}
    return names


def test_the_draft_is_covered_key_word_by_key_word():
    counted = {}
    for section, text, *_ in requirements():
        words = len(re.findall(r"NOT RECOMMENDED|MUST|SHOULD|MAY", text))
        if words:
            counted[section] = counted.get(section, 0) + words
    assert counted == KEY_WORDS


@pytest.mark.parametrize("row", requirements(), ids=lambda row: f"{row[0]} {row[1][:40]}")
def test_a_requirement_names_what_exists(row):
    _, _, state, where, tests = row
    assert state in ("built", "not yet", "operator") or state.startswith("partly: ")
    files = [name for name in re.split(r",\s*", where) if name]
    shown = [name for name in re.split(r",\s*", tests) if name]
    assert [f for f in files if not os.path.exists(os.path.join(ROOT, "src", f))] == []
    assert [t for t in shown if t not in known_tests()] == []
    if state == "built" or state.startswith("partly"):
        assert files and shown


def test_the_settings_page_is_what_the_program_says():
    said = subprocess.run([PROGRAM, "peer", "--reference"], capture_output=True, text=True, check=True).stdout
    assert read("docs", "settings.md") == said, "write it anew: build/release/causeway peer --reference > docs/settings.md"


@pytest.mark.parametrize("setting", ["peer.workers=65", "registrar.max_contacts=9", "sip.max_connections=0", "proxy.max_forks=0",
                                     "overload.target=81ms"])
def test_a_setting_beyond_its_bounds_is_refused(setting):
    ran = subprocess.run([PROGRAM, "peer", "--set", setting, "--bundle", "/nonexistent.bundle", "--check"], capture_output=True, text=True)
    assert ran.returncode == 1 and setting.partition("=")[0] in ran.stderr and re.search("from [01]", ran.stderr)


def test_the_sample_is_a_configuration(tmp_path):
    sample = subprocess.run([PROGRAM, "peer", "--sample"], capture_output=True, text=True, check=True).stdout
    (tmp_path / "peer.toml").write_text(sample)
    ran = subprocess.run([PROGRAM, "peer", "-c", str(tmp_path / "peer.toml"), "--bundle", "/nonexistent.bundle", "--check"],
                         capture_output=True, text=True)
    assert ran.returncode == 1 and "/nonexistent.bundle" in ran.stderr


@pytest.mark.parametrize("calls,told", [(100, True), (1, False)])
def test_the_operator_is_told_when_there_are_not_enough_files(tmp_path, calls, told):
    subprocess.run([PROGRAM, "authority", "init", "example.test", "--dir", str(tmp_path / "authority")], capture_output=True, check=True)
    bundle = next((tmp_path / "authority").rglob("*.bundle"))
    # It ends before it listens: there are no accounts at that place.
    settings = ["sip.max_connections=100", f"anchor.max_calls={calls}", "registrar.accounts=/nonexistent"]
    ran = subprocess.run([PROGRAM, "peer", "--bundle", str(bundle), *(word for one in settings for word in ("--set", one))],
                         capture_output=True, text=True,
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1200, 1200)))
    assert ran.returncode == 1 and "/nonexistent" in ran.stderr
    assert ("may open 1200 files" in ran.stderr) == told


@pytest.mark.parametrize("path", ["README.md", "CONTRIBUTING.md", "bench/README.md"] +
                         ["docs/" + n for n in sorted(os.listdir(os.path.join(ROOT, "docs"))) if n.endswith(".md")])
def test_links_lead_somewhere(path):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", read(path))
    assert [t for t in targets if not os.path.exists(os.path.join(ROOT, os.path.dirname(path), t))] == []
