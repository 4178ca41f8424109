#!/usr/bin/env python3
"""The conformance suite: real AWS clients against `coffer up`. Last line: N passed, N failed."""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import guide  # noqa: E402
from harness import (CLIENTS, DEBIAN_AWS, HERE, REPOSITORY, Failure, Skip, database, installation, needs, python_of, results,  # noqa: E402
                     run_tour)


coverage_option = "--check"


def python_tour(generation, script):
    def run(program):
        python = python_of(generation)
        with installation(program) as running:
            run_tour([python, str(HERE / "python" / script)], running.environment())
            results.check("the daemon still runs, and stops when asked", running.alive() and running.stop() == 0, running.stderr())
    return run


def cli_tour(aws, script="tour.sh"):
    def run(program):
        needs(aws)
        with installation(program) as running:
            run_tour(["bash", str(HERE / "cli" / script), str(aws)], running.environment(), timeout=600)
    return run


def tools_tour(program):
    if not any(shutil.which(tool) for tool in ("rclone", "s3cmd")):
        raise Skip("neither rclone nor s3cmd: run scripts/setup")
    with installation(program) as running:
        run_tour(["bash", str(HERE / "cli" / "s3_tools.sh")], running.environment(), timeout=600)


def javascript_tour(script):
    return lambda program: run_javascript(program, script)


def run_javascript(program, script):
    node = next((p for p in (f"{d}/node" for d in os.environ["PATH"].split(":")) if os.access(p, os.X_OK)), "node")
    needs(node)
    if not (CLIENTS / "javascript" / "node_modules").is_dir():
        raise Skip("no JavaScript SDK: run scripts/setup")
    with installation(program) as running:
        run_tour([node, str(HERE / "javascript" / script)], {**running.environment(), "COFFER_CLIENTS": str(CLIENTS)})


def go_tour(program):
    go = next((p for p in (f"{d}/go" for d in os.environ["PATH"].split(":")) if os.access(p, os.X_OK)), "")
    if not go or not (CLIENTS / "go" / "modules").is_dir():
        raise Skip("no Go SDK: run scripts/setup")
    built = REPOSITORY / "build" / "conformance" / "go-tour"
    environment = {**os.environ, "GOMODCACHE": str(CLIENTS / "go" / "modules"), "GOCACHE": str(built.parent / "go-cache"),
                   "GOFLAGS": "-mod=readonly -buildvcs=false", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    done = subprocess.run([go, "build", "-p", "2", "-o", str(built), "."], cwd=HERE / "go", env=environment, capture_output=True,
                          text=True)
    if done.returncode != 0:
        raise Failure("the Go tour does not build:\n" + done.stderr[-3000:])
    with installation(program) as running:
        run_tour([str(built)], running.environment())


def boundaries(program):
    python = python_of("new")
    with installation(program) as running:
        run_tour([python, str(HERE / "boundaries.py"), coverage_option, str(REPOSITORY / "docs" / "aws-coverage.md")],
                 running.environment(), timeout=600)
        results.check("the daemon outlived the boundaries", running.alive(), running.stderr())


def guide_tour(aws, page="aws-cli-tour.md"):
    def run(program):
        needs(aws)
        guide.run(program, aws, page)
    return run


def backups_tour(aws):
    """The page's reader has a PostgreSQL: one with a little data."""
    def run(program):
        needs(aws)
        with database() as conninfo:
            guide.run(program, aws, "scheduled-backups.md", {"ORDERS": conninfo})
    return run


TESTS = {
    "python-old": python_tour("old", "tour.py"),
    "python-new": python_tour("new", "tour.py"),
    "paginators-old": python_tour("old", "paginators.py"),
    "paginators-new": python_tour("new", "paginators.py"),
    "cli-1": cli_tour(CLIENTS / "awscli-1" / "bin" / "aws"),
    "cli-2": cli_tour(DEBIAN_AWS),
    "javascript": javascript_tour("tour.mjs"),
    "go": go_tour,
    "s3-python-old": python_tour("old", "s3_tour.py"),
    "s3-python-new": python_tour("new", "s3_tour.py"),
    "s3-behaviour-old": python_tour("old", "s3_behaviour.py"),
    "s3-behaviour-new": python_tour("new", "s3_behaviour.py"),
    "s3-cli-1": cli_tour(CLIENTS / "awscli-1" / "bin" / "aws", "s3_tour.sh"),
    "s3-cli-2": cli_tour(DEBIAN_AWS, "s3_tour.sh"),
    "s3-javascript": javascript_tour("s3_tour.mjs"),
    "s3-tools": tools_tour,
    "backup-python-old": python_tour("old", "backup_tour.py"),
    "backup-python-new": python_tour("new", "backup_tour.py"),
    "backup-cli-1": cli_tour(CLIENTS / "awscli-1" / "bin" / "aws", "backup_tour.sh"),
    "backup-cli-2": cli_tour(DEBIAN_AWS, "backup_tour.sh"),
    "doctor": python_tour("new", "doctor_tour.py"),
    "boundaries": boundaries,
    "guide-cli-1": guide_tour(CLIENTS / "awscli-1" / "bin" / "aws"),
    "guide-cli-2": guide_tour(DEBIAN_AWS),
    "guide-backups": backups_tour(DEBIAN_AWS),
    "guide-peers": guide_tour(DEBIAN_AWS, "two-installations.md"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="the test of this name")
    parser.add_argument("--coffer", default=str(REPOSITORY / "build/release/bin/coffer"), help="the program under test")
    parser.add_argument("--list", action="store_true", help="names the tests and ends")
    parser.add_argument("--write-coverage", action="store_true", help="the boundaries write docs/aws-coverage.md anew")
    options = parser.parse_args()
    global coverage_option
    coverage_option = "--write" if options.write_coverage else "--check"
    if options.list:
        print("\n".join(TESTS))
        return 0
    if options.only and options.only not in TESTS:
        parser.error(f"there is no test {options.only}: " + ", ".join(TESTS))
    if not os.access(options.coffer, os.X_OK):
        print(f"FAILED  there is no program {options.coffer}: build it first (scripts/build)\n0 passed, 1 failed")
        return 1
    for name, test in TESTS.items():
        if options.only not in ("", name):
            continue
        results.test = name
        began = time.monotonic()
        try:
            test(options.coffer)
        except Skip as why:
            results.skip(str(why))
        except Exception as error:  # a test that falls over is a failed test, not the end of the suite
            kind = "" if isinstance(error, Failure) else type(error).__name__ + ": "
            results.check("runs to its end", False, kind + str(error))
        print(f"        {name}: {time.monotonic() - began:.1f} s", flush=True)
    print(f"{results.passed} passed, {results.failed} failed")
    return 1 if results.failed or not (results.passed or results.skipped) else 0


if __name__ == "__main__":
    sys.exit(main())
