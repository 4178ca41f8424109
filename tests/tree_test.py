#!/usr/bin/env python3
"""The folder table of docs/tree.md against the #include lines of src/, and against what CMake links."""
import re
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STRATA = ["base", "engine", "services", "edge"]  # lowest first
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)


def tables(text):
    """The rows of each Markdown table, as lists of the `quoted` words of each cell."""
    found, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split("|")])
        elif rows:
            found.append(rows[2:])  # without head and rule
            rows = []
    return found


def read_rules(path):
    folders, libraries = tables(path.read_text())
    return {row[0][0]: set(row[1]) for row in folders}, {row[0][0]: set(row[1]) for row in libraries}


def folder_of(path, rules):
    """The longest folder of the table that holds `path`; its directory when the table has none."""
    best = max((f for f in rules if path.startswith(f + "/")), key=len, default=None)
    return best or path.rpartition("/")[0]


def stratum(folder):
    return STRATA.index(folder.split("/")[0])


def table_faults(rules):
    """A table that itself points upwards or in a circle."""
    faults = []
    for folder, allowed in rules.items():
        for other in allowed:
            if other not in rules:
                faults.append(f"{folder} may include {other}, which has no row")
            elif stratum(other) > stratum(folder):
                faults.append(f"{folder} may include {other}, against the arrow")
    done, path = set(), []

    def visit(folder):
        if folder in path:
            faults.append("a cycle: " + " -> ".join([*path[path.index(folder):], folder]))
            return
        if folder in done:
            return
        path.append(folder)
        for other in sorted(rules.get(folder, ())):
            visit(other)
        done.add(path.pop())

    for folder in sorted(rules):
        visit(folder)
    return faults


def include_faults(source, rules, libraries):
    faults = []
    files = sorted(p for p in source.rglob("*") if p.suffix in (".h", ".cc"))
    for file in files:
        name = file.relative_to(source).as_posix()
        folder = folder_of(name, rules)
        if folder not in rules:
            faults.append(f"{name}: its folder has no row in the table")
            continue
        for quoted, angled in INCLUDE.findall(file.read_text(errors="replace")):
            if quoted:
                target = folder_of(quoted, rules)
                if not (source / quoted).is_file():
                    faults.append(f"{name}: {quoted} is no file below src/")
                elif target != folder and target not in rules[folder]:
                    faults.append(f"{name}: includes {quoted}, but {folder} may not include {target}")
            else:
                for prefix, only in libraries.items():
                    if angled.startswith(prefix) and folder not in only:
                        faults.append(f"{name}: includes <{angled}>, which only {', '.join(sorted(only))} may")
    return faults


def cmake_rows(text):
    return {folder: set(uses.split()) for folder, uses in re.findall(r"^coffer_library\((\S+)(?: USES ([^)]*?))?(?: LINK [^)]*)?\)", text, re.M)}


class Tree(unittest.TestCase):
    def setUp(self):
        self.rules, self.libraries = read_rules(ROOT / "docs/tree.md")

    def test_the_table_points_down_only_and_has_no_cycle(self):
        self.assertEqual(table_faults(self.rules), [])

    def test_every_include_is_in_the_table(self):
        self.assertEqual(include_faults(ROOT / "src", self.rules, self.libraries), [])

    def test_cmake_links_what_the_table_says(self):
        self.assertEqual(cmake_rows((ROOT / "CMakeLists.txt").read_text()), self.rules)


class PlantedViolations(unittest.TestCase):
    """The test would be worth nothing if it did not see a fault."""

    RULES = {"base": set(), "engine/vault": {"base"}, "engine/jobs": {"base", "engine/vault"}, "edge/cli": {"base"}}

    def faults(self, files):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {"base/a.h": "", "engine/vault/v.h": "", "engine/jobs/j.h": "", "edge/cli/c.h": "", **files}.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return include_faults(Path(folder), self.RULES, {"openssl/": {"base"}})

    def test_an_include_down_the_arrow_is_accepted(self):
        self.assertEqual(self.faults({"engine/jobs/j.cc": '#include "engine/vault/v.h"\n#include <vector>\n#include "base/a.h"\n'}), [])

    def test_an_include_up_the_arrow_is_found(self):
        self.assertEqual(len(self.faults({"base/b.cc": '#include "engine/vault/v.h"\n'})), 1)

    def test_an_include_from_a_neighbour_that_is_not_listed_is_found(self):
        self.assertEqual(len(self.faults({"engine/vault/w.cc": '#  include "engine/jobs/j.h"\n'})), 1)

    def test_a_file_that_does_not_exist_is_found(self):
        self.assertEqual(len(self.faults({"base/b.cc": '#include "base/none.h"\n'})), 1)

    def test_a_folder_without_a_row_is_found(self):
        self.assertEqual(len(self.faults({"engine/new/n.cc": ""})), 1)

    def test_a_library_in_the_wrong_folder_is_found(self):
        self.assertEqual(len(self.faults({"edge/cli/d.cc": "#include <openssl/evp.h>\n"})), 1)

    def test_a_table_with_a_cycle_is_found(self):
        self.assertTrue(any("cycle" in f for f in table_faults({"engine/a": {"engine/b"}, "engine/b": {"engine/a"}})))

    def test_a_table_that_points_up_is_found(self):
        self.assertTrue(any("arrow" in f for f in table_faults({"base": {"engine/a"}, "engine/a": set()})))

    def test_an_unknown_folder_in_the_table_is_found(self):
        self.assertTrue(any("no row" in f for f in table_faults({"base": {"engine/ghost"}})))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
