#!/usr/bin/python3
"""Includes point downward only, and no source file is longer than can be held in the head.

    base < net < stun < {sip, dns, identity} < overlay < {registrar, relay} < {proxy, ua} < anchor < peer < cli

Run by pytest, or as a script: prints what is wrong, status 1 if anything is.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = [{"base"}, {"net"}, {"stun"}, {"sip", "dns", "identity"}, {"overlay"}, {"registrar", "relay"}, {"proxy", "ua"}, {"anchor"}, {"peer"}, {"cli"}]
HEIGHT = {module: height for height, layer in enumerate(LAYERS) for module in layer}
LONGEST = 700  # lines
_INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"/]+)/[^"]+"')


def sources(root: Path) -> list:
    folders = [root / name for name in ("src", "fuzz", "bench", "lab", "tests")]
    return sorted(file for folder in folders if folder.exists() for file in folder.rglob("*")
                  if file.suffix in (".h", ".cc", ".py") and "__pycache__" not in file.parts)


def module_of(file: Path, root: Path) -> str:
    parts = file.relative_to(root).parts
    return parts[1] if parts[0] == "src" and len(parts) > 2 else ""


def upward_includes(root: Path) -> list:
    """Every #include of a module that is not below the including one."""
    wrong = []
    for file in sources(root):
        module = module_of(file, root)
        if not module:
            continue
        where = file.relative_to(root)
        if module not in HEIGHT:
            wrong.append(f"{where}: expected a module of {', '.join(HEIGHT)}; came: {module}")
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            found = _INCLUDE.match(line)
            other = found.group(1) if found else module
            if other != module and (other not in HEIGHT or HEIGHT[other] >= HEIGHT[module]):
                wrong.append(f"{where}:{number}: {module} must not include {other}")
    return wrong


def long_files(root: Path) -> list:
    counted = ((file, len(file.read_text().splitlines())) for file in sources(root))
    return [f"{file.relative_to(root)}: {lines} lines, expected at most {LONGEST}"
            for file, lines in counted if lines > LONGEST]


def test_includes_point_downward():
    assert upward_includes(ROOT) == []


def test_no_file_is_too_long():
    assert long_files(ROOT) == []


def test_the_check_finds_what_it_looks_for(tmp_path):
    for name, text in {"src/sip/a.h": '#include "net/x.h"\n#include <sip/x.h>\n',
                       "src/sip/b.cc": '#include "sip/a.h"\n  # include "dns/locator.h"\n',
                       "src/base/c.cc": '#include "net/x.h"\n', "src/odd/d.cc": "",
                       "src/main.cc": '#include "cli/cli.h"\n', "lab/long.py": "\n" * 701}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    wrong = upward_includes(tmp_path)
    assert len(wrong) == 3
    assert "src/sip/b.cc:2: sip must not include dns" in wrong
    assert "src/base/c.cc:1: base must not include net" in wrong
    assert long_files(tmp_path) == ["lab/long.py: 701 lines, expected at most 700"]


if __name__ == "__main__":
    problems = upward_includes(ROOT) + long_files(ROOT)
    print("\n".join(problems) or "includes point downward, no file is too long")
    sys.exit(bool(problems))
