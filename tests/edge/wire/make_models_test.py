#!/usr/bin/env python3
"""The generator of the model tables, on a small package of its own."""
import gzip
import json
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MODEL = {
    "metadata": {"apiVersion": "2020-01-02", "endpointPrefix": "toy", "protocol": "json", "jsonVersion": "1.0", "targetPrefix": "Toy",
                 "serviceFullName": "A \"toy\" service"},
    "operations": {
        "Wind": {"name": "Wind", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "WindRequest"},
                 "errors": [{"shape": "SpringBroke"}], "documentation": "PLANTED-DOCUMENTATION"},
        "Drop": {"name": "Drop", "http": {"method": "POST", "requestUri": "/"}, "deprecated": True}},
    "shapes": {
        "WindRequest": {"type": "structure", "required": ["Turns"], "documentation": "PLANTED-DOCUMENTATION",
                        "members": {"Turns": {"shape": "Turns", "documentation": "PLANTED-DOCUMENTATION"}, "Self": {"shape": "WindRequest"}}},
        "Turns": {"type": "string", "pattern": "[\"\\\\]\u00e4+", "min": 1, "max": 9223372036854775807, "enum": ["a\nb", "c"]},
        "SpringBroke": {"type": "structure", "members": {}, "exception": True, "error": {"code": "Broke", "httpStatusCode": 409}},
        "Unreached": {"type": "string"}}}


class MakeModels(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)
        old = json.loads(json.dumps(MODEL).replace("2020-01-02", "2019-12-31"))
        for version, model in (("2019-12-31", old), ("2020-01-02", MODEL)):
            path = self.root / "package/botocore/data/toy" / version
            path.mkdir(parents=True)
            (path / "service-2.json.gz").write_bytes(gzip.compress(json.dumps(model).encode()))

    def make(self, package, *services, name="models.cc"):
        done = subprocess.run([sys.executable, str(ROOT / "scripts/make_models.py"), str(package), str(self.root / name), *services],
                              capture_output=True, text=True)
        return done, (self.root / name).read_text() if (self.root / name).exists() else ""

    def test_makes_the_newest_version_without_documentation(self):
        done, text = self.make(self.root / "package", "toy")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"2020-01-02"', text)
        self.assertNotIn("2019-12-31", text)
        self.assertNotIn("PLANTED-DOCUMENTATION", text)
        self.assertNotIn("Unreached", text)
        self.assertIn(r'"A \"toy\" service"', text)
        self.assertIn(r'"[\"\\\\]\303\244+"', text)

    def test_a_wheel_and_its_folders_give_the_same_every_time(self):
        wheel = self.root / "botocore.whl"
        with zipfile.ZipFile(wheel, "w") as package:
            for path in sorted((self.root / "package").rglob("*.gz"), reverse=True):
                package.write(path, path.relative_to(self.root / "package"))
        texts = [self.make(place, "toy", name=f"{i}.cc")[1]
                 for i, place in enumerate([self.root / "package", self.root / "package/botocore", wheel, wheel])]
        self.assertTrue(texts[0])
        self.assertEqual(len(set(texts)), 1)

    def test_leaves_an_unchanged_file_alone(self):
        self.make(self.root / "package", "toy")
        before = (self.root / "models.cc").stat().st_mtime_ns
        self.make(self.root / "package", "toy")
        self.assertEqual((self.root / "models.cc").stat().st_mtime_ns, before)

    def test_says_which_service_the_package_lacks(self):
        done, text = self.make(self.root / "package", "toy", "train")
        self.assertEqual(done.returncode, 1)
        self.assertIn("has no service train", done.stderr)
        self.assertEqual(text, "")

    def test_the_result_is_cpp(self):
        self.make(self.root / "package", "toy")
        done = subprocess.run(["g++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'src'}", str(self.root / "models.cc")],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
