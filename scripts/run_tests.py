#!/usr/bin/env python3
"""Builds and runs every test, one step after the other, and counts each test. Called by scripts/test."""
import argparse
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "test-logs"
CORES = os.cpu_count() or 2
SERVERS = Path(os.environ.get("COFFER_TEST_SERVERS", "/var/cache/coffer/servers"))

# Sanitizers cost a factor of 3 to 10, so the fault tests run with smaller volumes there. Variables already set win.
SANITIZER_VOLUMES = {"COFFER_BIT_FLIPS": "150", "COFFER_SWEEP_STEP": "40", "COFFER_MANY_FILES": "3000", "COFFER_KILLS": "10"}
LONG_VOLUMES = {"COFFER_BIT_FLIPS": "1000000", "COFFER_SWEEP_STEP": "1", "COFFER_KILLS": "10000", "COFFER_TEST_SEEDS": "2000", "COFFER_LONG": "1"}
# Where threads meet. The other folders have none of their own.
TSAN_PROGRAMS = ["base_test", "engine_crypto_test", "engine_store_test", "engine_vault_test", "edge_cli_test"]
PROGRAM_MINUTES = 25
SHARD_FROM = 12  # tests; a program with fewer runs as one

print_lock = threading.Lock()


def say(text):
    with print_lock:
        print(text, flush=True)


def seconds(value):
    return f"{value:.1f} s" if value < 60 else f"{int(value) // 60} min {int(value) % 60} s"


class Counts:
    """What a step, or the whole run, adds up to. `failures` holds (name, log)."""

    def __init__(self):
        self.passed = 0
        self.skipped = []
        self.failures = []

    def add(self, other):
        self.passed += other.passed
        self.skipped += other.skipped
        self.failures += other.failures

    def text(self):
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"{self.passed} passed, {len(self.failures)} failed{skipped}"


def read_gtest(lines, program, log):
    """Counts from a GoogleTest program's output. A test that began and never ended is a crash: a failure."""
    counts, running = Counts(), None
    for line in lines:
        if line.startswith("[ RUN      ] "):
            running = line[13:].strip()
        elif running and (match := re.match(r"\[ +(OK|FAILED|SKIPPED) +\] ", line)):
            if not line[match.end():].startswith(running):
                continue
            if match[1] == "OK":
                counts.passed += 1
            elif match[1] == "SKIPPED":
                counts.skipped.append(f"{program} {running}")
            else:
                counts.failures.append((f"{program} {running}", log))
            running = None
    if running:
        counts.failures.append((f"{program} {running} (did not end)", log))
    return counts


def read_unittest(lines, program, log):
    counts = Counts()
    for line in lines:
        match = re.match(r"(.*?)(?: \(\S+\))? \.\.\. (ok|FAIL|ERROR|skipped.*)$", line.rstrip())
        if not match:
            continue
        if match[2] == "ok":
            counts.passed += 1
        elif match[2].startswith("skipped"):
            counts.skipped.append(f"{program} {match[1]}")
        else:
            counts.failures.append((f"{program} {match[1]}", log))
    return counts


def read_end_to_end(lines, program, log):
    counts = Counts()
    for line in lines:
        if line.startswith("ok      "):
            counts.passed += 1
        elif line.startswith("FAILED  "):
            counts.failures.append((line[8:], log))
        elif line.startswith("skipped "):
            counts.skipped.append(line[8:])
    return counts


def run_logged(name, command, environment=None, minutes=PROGRAM_MINUTES):
    """Runs a program into a log of its own. Returns (exit code, log, seconds); 124 when its time was over."""
    log = LOGS / (re.sub(r"[^\w.-]+", "-", name) + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with open(log, "wb") as out:
        try:
            done = subprocess.run(command, cwd=ROOT, env=environment or os.environ, stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=subprocess.STDOUT, timeout=minutes * 60 if minutes else None)
            code = done.returncode
        except subprocess.TimeoutExpired:
            out.write(b"\nended: its time was over\n")
            code = 124
        except OSError as error:
            out.write(f"\ncannot run: {error}\n".encode())
            code = 127
    return code, log, time.monotonic() - began


def lines_of(log):
    return log.read_text(errors="replace").splitlines()


def show_tail(name, log, count=40):
    say(f"---- {name}: the end of {log.relative_to(ROOT)}")
    for line in lines_of(log)[-count:]:
        say(f"     {line}")


class Runner:
    def __init__(self, arguments):
        self.long = arguments.long
        self.only = arguments.only
        self.total = Counts()
        self.table = []

    # ---- which steps and tests are wanted

    def wants(self, step):
        if not self.only:
            return True
        # Without a step's name in front, what is quick to build.
        front = self.only.split("/")[0] if "/" in self.only else ""
        named = [name for name in STEPS if re.search(rf"\b{name}\b", front)]
        return step in (named or ["release", "scripts", "end_to_end", "conformance"])

    def matches(self, name):
        return not self.only or re.search(self.only, name) is not None

    # ---- the parts of a step

    def build(self, preset, targets=()):
        command = ["scripts/build", preset, *targets]
        say(f"  building {preset} {' '.join(targets)}")
        code, log, took = run_logged(f"{preset}-build", command, minutes=45)
        say(f"  built in {seconds(took)}" if code == 0 else f"  the build failed after {seconds(took)}")
        if code != 0:
            show_tail(f"build of {preset}", log, 80)
        return code == 0, log

    def environment(self, extra):
        environment = dict(os.environ)
        environment["COFFER_BINARY"] = str(ROOT / "build/release/bin/coffer")
        majors = ("13", "14", "16", "17", "18") if self.long else ("17", "18")
        for major in majors:
            if (SERVERS / major / "bin/postgres").exists():
                environment.setdefault(f"COFFER_PG_BIN_{major}", str(SERVERS / major / "bin"))
        for key, value in {**extra, **(LONG_VOLUMES if self.long and not extra else {})}.items():
            environment.setdefault(key, value)
        return environment

    def gtest_jobs(self, step, programs, environment, prefix):
        """(name, command, environment) for each program, cut into shards."""
        jobs = []
        for program in programs:
            listed = subprocess.run([*prefix, program, "--gtest_list_tests"], capture_output=True, text=True, env=environment)
            names, suite = [], ""
            for line in listed.stdout.splitlines():
                if line.startswith("  "):
                    names.append(suite + line.split("#")[0].strip())
                elif "." in line:
                    suite = line.split("#")[0].strip()
            if listed.returncode != 0:
                jobs.append((f"{step}/{program.name}", [*prefix, str(program)], environment))
                continue
            chosen = [name for name in names if self.matches(f"{step}/{program.name}/{name}")]
            if not chosen:
                continue
            command = [*prefix, str(program), "--gtest_color=no"]
            if len(chosen) < len(names):
                command.append("--gtest_filter=" + ":".join(chosen))
            shards = CORES if len(chosen) >= SHARD_FROM else 1
            for shard in range(shards):
                own = {**environment, "GTEST_TOTAL_SHARDS": str(shards), "GTEST_SHARD_INDEX": str(shard)}
                name = f"{step}/{program.name}" + (f" {shard + 1}/{shards}" if shards > 1 else "")
                jobs.append((name, command, own))
        return jobs

    def run_jobs(self, jobs, reader):
        """Runs jobs side by side, as many as there are cores."""
        counts, running = Counts(), {}

        def one(job):
            name, command, environment = job
            running[name] = time.monotonic()
            code, log, took = run_logged(name, command, environment, None if self.long else PROGRAM_MINUTES)
            running.pop(name)
            mine = reader(lines_of(log), name, log)
            if code != 0 and not mine.failures and not (mine.skipped and not mine.passed):
                mine.failures.append((f"{name} (exit code {code})", log))
            say(f"  {name}: {mine.text()} in {seconds(took)}")
            return mine

        done = threading.Event()

        def tell_what_runs():
            while not done.wait(60):
                for name, began in list(running.items()):
                    say(f"  ... {name} has been running for {seconds(time.monotonic() - began)}")

        teller = threading.Thread(target=tell_what_runs, daemon=True)
        teller.start()
        with ThreadPoolExecutor(CORES) as pool:
            for mine in pool.map(one, jobs):
                counts.add(mine)
        done.set()
        return counts

    def one_check(self, name, command):
        """A command that passes or fails as a whole counts as one test."""
        counts = Counts()
        code, log, took = run_logged(name, command)
        say(f"  {name}: {'passed' if code == 0 else 'FAILED'} in {seconds(took)}")
        if code == 0:
            counts.passed = 1
        else:
            counts.failures.append((name, log))
        return counts

    def gtest_step(self, step, targets=(), extra=None, prefix=(), names=None):
        built, log = self.build(step, targets)
        counts = Counts()
        if not built:
            counts.failures.append((f"{step}: build", log))
            return counts
        programs = sorted((ROOT / "build" / step / "bin").glob("*_test"))
        programs = [p for p in programs if names is None or p.name in names]
        environment = self.environment(extra or {})
        # The long ones first, so that both cores end at about the same time.
        programs.sort(key=lambda p: p.name not in ("faults_test", "engine_postgres_test", "engine_jobs_test"))
        return self.run_jobs(self.gtest_jobs(step, programs, environment, list(prefix)), read_gtest)

    # ---- the steps

    def step_scripts(self):
        """Tests in Python: the folder table, the tool as a person uses it, and the codecs against botocore."""
        self.build("release", ("coffer", "wire_peer"))
        jobs = []
        for test in [ROOT / "tests/tree_test.py", *sorted(ROOT.glob("tests/edge/cli/*_test.py")), *sorted(ROOT.glob("tests/edge/wire/*_test.py"))]:
            name = f"scripts/{test.name}"
            if self.matches(name):
                jobs.append((name, [sys.executable, str(test), "-v"], self.environment({})))
        return self.run_jobs(jobs, read_unittest)

    def step_release(self):
        return self.gtest_step("release")

    def step_end_to_end(self):
        """Each scenario by itself, so that they share the cores and have a log each."""
        counts = Counts()
        built, log = self.build("release", ("coffer",))
        if not built:
            counts.failures.append(("end_to_end: build", log))
            return counts
        suite = [sys.executable, "tests/end_to_end/run.py"]
        listed = subprocess.run([*suite, "--list"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        names = [n.removesuffix(" (long)") for n in listed if self.long or not n.endswith(" (long)")]
        jobs = [(f"end_to_end/{n}", [*suite, "--only", n, "--exactly", *(["--long"] if self.long else [])], self.environment({}))
                for n in names if self.matches(f"end_to_end/{n}")]
        return self.run_jobs(jobs, read_end_to_end)

    def step_conformance(self):
        """Each client's tour by itself."""
        counts = Counts()
        built, log = self.build("release", ("coffer",))
        if not built:
            counts.failures.append(("conformance: build", log))
            return counts
        suite = [sys.executable, "tests/conformance/run.py"]
        names = subprocess.run([*suite, "--list"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
        jobs = [(f"conformance/{n}", [*suite, "--only", n], dict(os.environ)) for n in names if self.matches(f"conformance/{n}")]
        return self.run_jobs(jobs, read_end_to_end)

    def step_asan(self):
        extra = {**SANITIZER_VOLUMES, "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
        return self.gtest_step("asan", extra=extra)

    def step_tsan(self):
        # The kernel's address randomisation can leave no room for TSan's shadow; setarch switches it off for the test alone.
        fixed = ["setarch", os.uname().machine, "-R"]
        works = subprocess.run([*fixed, "true"], capture_output=True).returncode == 0
        extra = {**SANITIZER_VOLUMES, "TSAN_OPTIONS": "halt_on_error=1"}
        return self.gtest_step("tsan", TSAN_PROGRAMS, extra, fixed if works else (), TSAN_PROGRAMS)

    def step_fuzz(self):
        counts = Counts()
        built, log = self.build("fuzz", ("fuzz_targets",))
        if not built:
            counts.failures.append(("fuzz: build", log))
            return counts
        length = os.environ.get("COFFER_FUZZ_SECONDS", "600" if self.long else "10")
        jobs = []
        for target in sorted((ROOT / "build/fuzz/bin").glob("*_fuzz")):
            if not self.matches(f"fuzz/{target.name}"):
                continue
            found = LOGS / "fuzz" / target.name
            found.mkdir(parents=True, exist_ok=True)
            seeds = ROOT / "tests/fuzz/corpus" / target.name.removesuffix("_fuzz")
            command = [str(target), f"-max_total_time={length}", "-rss_limit_mb=1024", "-timeout=10", "-print_final_stats=1",
                       f"-artifact_prefix={found}/", str(found), *([str(seeds)] if seeds.is_dir() else [])]
            jobs.append((f"fuzz/{target.name}", command, dict(os.environ)))

        def read(lines, program, _log):
            mine = Counts()
            mine.passed = int(any(line.startswith("stat::number_of_executed_units") for line in lines)
                              and not any("ERROR:" in line for line in lines))
            return mine

        return self.run_jobs(jobs, read)

    def step_clang(self):
        counts = Counts()
        built, log = self.build("clang")
        if built:
            counts.passed = 1
        else:
            counts.failures.append(("clang: build without warnings", log))
        return counts

    def step_format(self):
        return self.one_check("format", ["scripts/format-check"])

    def step_tidy(self):
        return self.one_check("tidy", ["scripts/tidy"])

    def run(self):
        steps = [name for name in STEPS if self.wants(name) and (self.long or name != "tidy" or self.only)]
        began = time.monotonic()
        for step in steps:
            say(f"{step}: {STEPS[step]}")
            step_began = time.monotonic()
            counts = getattr(self, f"step_{step}")()
            self.table.append((step, counts, time.monotonic() - step_began))
            self.total.add(counts)
        self.summary(time.monotonic() - began)
        print(f"{self.total.passed} passed, {len(self.total.failures)} failed", flush=True)
        return 1 if self.total.failures or not self.total.passed else 0

    def summary(self, took):
        seen = set()
        for name, log in self.total.failures:
            if log not in seen:
                show_tail(name, log)
            seen.add(log)
        say("")
        for step, counts, step_took in self.table:
            say(f"{step:10}{counts.text():40}{seconds(step_took):>16}")
        say(f"{'all':10}{self.total.text():40}{seconds(took):>16}   logs in {LOGS.relative_to(ROOT)}")
        for name in self.total.skipped:
            say(f"skipped: {name}")
        for name, log in self.total.failures:
            say(f"FAILED: {name}   {log.relative_to(ROOT)}")


STEPS = {
    "format": "clang-format-14 finds nothing to change",
    "release": "every test of the optimised build",
    "scripts": "the folder table, and the tool from outside",
    "end_to_end": "the tool against real servers",
    "conformance": "real AWS clients against `coffer up`",
    "asan": "every test again under AddressSanitizer and UndefinedBehaviorSanitizer",
    "tsan": "the concurrent parts under ThreadSanitizer",
    "fuzz": "each parser of foreign bytes against libFuzzer",
    "clang": "all code builds with clang 14 without a warning",
    "tidy": "clang-tidy 14 finds nothing",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", metavar="PATTERN")
    sys.exit(Runner(parser.parse_args()).run())


if __name__ == "__main__":
    main()
