#!/usr/bin/env python3
"""The tool from outside: streams, exit codes, documents, completion, manual pages. No database is needed."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
COFFER = os.environ.get("COFFER_BINARY", str(ROOT / "build/release/bin/coffer"))
COMMANDS = ["vault init", "vault info", "keys generate", "keys list", "keys add", "keys remove", "backup", "points", "restore", "recover",
            "verify", "prove", "export", "import", "why", "forget", "collect", "doctor", "completion", "man", "help", "version"]


class CliTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="coffer-cli-"))
        cls.vault, cls.key = str(cls.folder / "vault"), str(cls.folder / "ops.key")
        cls.environment = {"PATH": os.environ["PATH"], "HOME": str(cls.folder), "TMPDIR": str(cls.folder)}
        cls.run_tool("keys", "generate", cls.key, check=True)
        cls.run_tool("vault", "init", "--vault", cls.vault, "--key", f"ops=file:{cls.key}", "--key", "officer=passphrase-env:P",
                     check=True, environment={"P": "correct horse"})

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def run_tool(cls, *words, check=False, environment=None, **options):
        done = subprocess.run([COFFER, *words], env={**cls.environment, **(environment or {})}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"coffer {words} gave {done.returncode}: {done.stderr}")
        return done

    def opened(self, *words, **options):
        return self.run_tool(*words, "--vault", self.vault, "--key", self.key, **options)

    # ---- streams and exit codes

    def test_data_goes_to_standard_output_and_everything_else_to_standard_error(self):
        done = self.opened("doctor", check=True)
        self.assertIn("key slots", done.stdout)
        self.assertIn("coffer: vault", done.stderr)
        self.assertNotIn("coffer: vault", done.stdout)

    def test_an_error_says_what_why_and_what_next(self):
        done = self.run_tool("points", "--vault", self.vault)
        self.assertEqual(done.returncode, 5)
        self.assertEqual(done.stdout, "")
        first, second = done.stderr.splitlines()
        self.assertRegex(first, r"^coffer: points: .* can only be opened with a key$")
        self.assertRegex(second, r"^  next: give --key ")

    def test_exit_codes_by_what_went_wrong(self):
        cases = [(["points", "--vault", str(self.folder / "none"), "--key", self.key], 4),
                 (["points", "--vault", self.vault, "--key", "passphrase-env:P"], 5),
                 (["points", "--nonsense"], 2),
                 (["keys", "generate", self.key], 6),
                 (["vault", "init", "--vault", self.vault, "--key", self.key], 6),
                 (["vault", "init", "--vault", str(self.folder / "v2")], 2),
                 (["restore", "latest", "--to", str(self.folder / "x"), "--vault", self.vault, "--key", self.key], 4),
                 (["forget", "--keep-last", "1", "--even-last-proven", "--vault", self.vault, "--key", self.key], 2),
                 (["verify", "--vault", self.vault, "--key", self.key], 2),
                 (["backup", "--conninfo", f"host={self.folder}/nowhere", "--vault", self.vault, "--key", self.key], 7)]
        for words, code in cases:
            done = self.run_tool(*words, environment={"P": "wrong"})
            self.assertEqual(done.returncode, code, f"{words}: {done.stderr}")
            self.assertIn("coffer: ", done.stderr)

    def test_a_vault_without_a_key_cannot_be_made(self):
        done = self.run_tool("vault", "init", "--vault", str(self.folder / "v3"))
        self.assertEqual(done.returncode, 2)
        self.assertFalse((self.folder / "v3").exists())

    def test_one_slot_is_loudly_called_unprotected(self):
        place = str(self.folder / "v4")
        done = self.run_tool("vault", "init", "--vault", place, "--key", self.key, check=True)
        self.assertIn("ONE KEY SLOT", done.stderr)
        done = self.run_tool("vault", "info", "--vault", place, "--json", check=True)
        self.assertFalse(json.loads(done.stdout)["protected"])

    def test_two_slots_with_one_key_are_refused(self):
        done = self.run_tool("vault", "init", "--vault", str(self.folder / "v5"), "--key", f"a={self.key}", "--key", f"b={self.key}")
        self.assertEqual(done.returncode, 2)
        self.assertIn("the same key", done.stderr)

    def test_a_closed_standard_output_is_no_error(self):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([COFFER, "help"], env=self.environment, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
        os.close(write)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_full_disk_behind_standard_output_is_an_error(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([COFFER, "version"], env=self.environment, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output", done.stderr)

    def test_a_confirmation_that_nobody_can_give_is_an_error_not_a_hang(self):
        done = self.opened("keys", "remove", "officer")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--yes", done.stderr)

    def test_every_kind_of_passphrase_opens_the_same_slot(self):
        secret = self.folder / "passphrase"
        secret.write_text("correct horse\n")
        secret.chmod(0o600)
        for key in (f"passphrase-file:{secret}", f"passphrase-command:cat {secret}", "passphrase-env:P"):
            self.run_tool("points", "--vault", self.vault, "--key", key, check=True, environment={"P": "correct horse"})

    def test_vault_and_key_may_come_from_the_environment(self):
        self.run_tool("points", check=True, environment={"COFFER_VAULT": self.vault, "COFFER_KEY": f"file:{self.key}"})

    def test_the_scratch_directory_is_gone_afterwards(self):
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        self.opened("collect", "--scratch", str(scratch), check=True)
        self.assertEqual(list(scratch.iterdir()), [])

    def test_a_key_file_is_private_whatever_the_umask(self):
        path = self.folder / "umask.key"
        self.run_tool("keys", "generate", str(path), check=True, preexec_fn=lambda: os.umask(0))
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)

    def test_slots_come_and_go(self):
        place, second = str(self.folder / "v6"), str(self.folder / "second.key")
        self.run_tool("keys", "generate", second, check=True)
        self.run_tool("vault", "init", "--vault", place, "--key", f"one={self.key}", check=True)
        self.run_tool("keys", "add", "two", "--new-key", second, "--vault", place, "--key", self.key, check=True)
        self.run_tool("points", "--vault", place, "--key", second, check=True)
        self.run_tool("keys", "remove", "one", "--yes", "--vault", place, "--key", second, check=True)
        self.assertEqual(self.run_tool("points", "--vault", place, "--key", self.key).returncode, 5)
        self.assertNotEqual(self.run_tool("keys", "remove", "two", "--yes", "--vault", place, "--key", second).returncode, 0)

    # ---- documents

    def test_each_document_names_its_schema_and_stands_alone(self):
        cases = {"coffer.version/1": ["version"], "coffer.points/1": ["points", "--vault", self.vault, "--key", self.key],
                 "coffer.vault/1": ["vault", "info", "--vault", self.vault, "--key", self.key],
                 "coffer.keys/1": ["keys", "list", "--vault", self.vault], "coffer.doctor/1": ["doctor", "--vault", self.vault, "--key", self.key],
                 "coffer.collect/1": ["collect", "--dry-run", "--vault", self.vault, "--key", self.key],
                 "coffer.verify/1": ["verify", "--all", "--vault", self.vault, "--key", self.key],
                 "coffer.forget/1": ["forget", "--keep-last", "1", "--dry-run", "--vault", self.vault, "--key", self.key]}
        for schema, words in cases.items():
            done = self.run_tool(*words, "--json", check=True)
            self.assertEqual(json.loads(done.stdout)["schema"], schema)
            for line in done.stderr.splitlines():
                self.assertRegex(json.loads(line)["schema"], r"^coffer\.(progress|note)/1$")

    def test_an_empty_list_is_a_list(self):
        self.assertEqual(json.loads(self.opened("points", "--json", check=True).stdout)["points"], [])

    def test_a_failure_with_json_is_a_document_on_standard_error(self):
        done = self.run_tool("points", "--vault", self.vault, "--json")
        self.assertEqual(done.stdout, "")
        document = json.loads(done.stderr)
        self.assertEqual((document["schema"], document["code"]), ("coffer.error/1", "unauthenticated"))
        self.assertIn("--key", document["next"])

    def test_no_output_holds_the_key_or_the_passphrase(self):
        secret = Path(self.key).read_text().strip().split(":")[1]
        for words in (["vault", "info"], ["points"], ["doctor"], ["points", "--json"]):
            for key in (self.key, "passphrase-env:P"):
                done = self.run_tool(*words, "--vault", self.vault, "--key", key, environment={"P": "correct horse"})
                self.assertNotIn(secret, done.stdout + done.stderr)
                self.assertNotIn("correct horse", done.stdout + done.stderr)

    # ---- help, completion, manual pages

    def test_help_of_every_command_begins_with_two_examples(self):
        for command in COMMANDS:
            lines = self.run_tool(*command.split(), "--help", check=True).stdout.splitlines()
            self.assertTrue(lines[0].startswith(f"  coffer {command}"), lines[0])
            self.assertTrue(lines[2].startswith(f"  coffer {command}"), lines[2])

    def test_help_lists_every_command(self):
        text = self.run_tool("help", check=True).stdout
        for command in COMMANDS:
            self.assertIn(f"\n  {command} ", text)

    def test_help_topics(self):
        for topic in ("exit-codes", "keys", "environment"):
            self.assertTrue(self.run_tool("help", topic, check=True).stdout)
        self.assertEqual(self.run_tool("help", "nothing").returncode, 4)

    def test_the_document_of_exit_codes_is_what_the_tool_says(self):
        document = (ROOT / "docs/exit-codes.md").read_text()
        for line in self.run_tool("help", "exit-codes", check=True, environment={"COLUMNS": "200"}).stdout.splitlines():
            words = line.split()
            if words and words[0].isdigit():
                self.assertIn(f"| {words[0]} | {' '.join(words[1:])}", document)

    def test_manual_pages_are_without_a_fault(self):
        if not shutil.which("mandoc"):
            self.skipTest("mandoc is not installed")
        for command in ["", *COMMANDS]:
            page = self.run_tool("man", *command.split(), check=True).stdout
            lint = subprocess.run(["mandoc", "-T", "lint", "-W", "style"], input=page, capture_output=True, text=True)
            # Pages that are not installed on this machine, and the missing operating system, are none of the page's faults.
            faults = [l for l in lint.stdout.splitlines() if "outdated mandoc.db" not in l and "referenced manual not found" not in l
                      and "operating system" not in l]
            self.assertEqual(faults, [], command)
            shown = subprocess.run(["mandoc", "-T", "utf8"], input=page, capture_output=True, text=True)
            # Bold text comes as letter, backspace, letter.
            self.assertIn("NAME", re.sub(".\x08", "", shown.stdout))

    def complete_in_bash(self, *words):
        script = f"""source <({COFFER} completion bash)
COMP_WORDS=(coffer {' '.join(words[:-1])} '{words[-1]}'); COMP_CWORD={len(words)}; _coffer; printf '%s\\n' "${{COMPREPLY[@]}}" """
        path = os.path.dirname(COFFER) + ":" + self.environment["PATH"]
        done = subprocess.run(["bash", "--norc", "-c", script], env={**self.environment, "PATH": path, "COFFER_VAULT": self.vault,
                              "COFFER_KEY": self.key}, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_completes_commands_options_choices_and_files(self):
        self.assertIn("backup", self.complete_in_bash("ba"))
        self.assertEqual(sorted(self.complete_in_bash("vault", "")), ["info", "init"])
        self.assertIn("--conninfo", self.complete_in_bash("backup", "--con"))
        self.assertEqual(self.complete_in_bash("backup", "--source", "l"), ["local"])
        self.assertEqual(self.complete_in_bash("backup", "--name", ""), [])
        self.assertIn(self.key, self.complete_in_bash("points", "--key", self.key[:-2]))
        self.assertIn("latest", self.complete_in_bash("restore", "l"))
        self.assertEqual(self.complete_in_bash("keys", "remove", "off"), ["officer"])
        self.assertIn("exit-codes", self.complete_in_bash("help", "exit"))

    def test_zsh_loads_its_completion(self):
        if not shutil.which("zsh"):
            self.skipTest("zsh is not installed")
        script = f"""autoload -U compinit; compinit -u -d {self.folder}/zcompdump; source <({COFFER} completion zsh)
print -r -- ${{_comps[coffer]}}; _coffer_members vault; _coffer_value 'backup --source'; _coffer_options points"""
        done = subprocess.run(["zsh", "-f", "-c", script], env=self.environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, "")
        lines = done.stdout.splitlines()
        self.assertEqual(lines[:3], ["_coffer", "init info", "auto local stream"])
        self.assertIn("--ids", lines[3])

    # ---- terminals

    def on_terminal(self, words, columns, answers=(), environment=None):
        """Runs the tool with a terminal on all three streams; gives (exit code, what was shown)."""
        pid, master = pty.fork()
        if pid == 0:
            os.execve(COFFER, [COFFER, *words], {**self.environment, "TERM": "xterm", **(environment or {})})
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        shown, answers, deadline = b"", list(answers), time.monotonic() + 120
        while True:
            if not select.select([master], [], [], max(0, deadline - time.monotonic()))[0]:
                os.kill(pid, signal.SIGKILL)
                break
            try:
                more = os.read(master, 4096)
            except OSError:
                break
            if not more:
                break
            shown += more
            while answers and answers[0][0].encode() in shown:
                os.write(master, answers.pop(0)[1].encode())
        _, status = os.waitpid(pid, 0)
        os.close(master)
        return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")

    def test_a_passphrase_is_asked_for_without_echo(self):
        words = ["points", "--vault", self.vault, "--key", "passphrase"]
        code, shown = self.on_terminal(words, 80, [(f"{self.vault}: ", "correct horse\n")])
        self.assertEqual(code, 0, shown)
        self.assertNotIn("correct horse", shown)
        self.assertIn("last proof", shown)

    def test_a_narrow_terminal_is_not_overrun(self):
        code, shown = self.on_terminal(["doctor", "--vault", self.vault, "--key", self.key], 40)
        self.assertIn(code, (0, 3))
        for part in shown.split("\x1b[K")[1:]:
            self.assertLess(len(part.split("\r")[0].split("\n")[0]), 200)

    def test_a_dumb_terminal_gets_no_escape_sequences(self):
        _, shown = self.on_terminal(["doctor", "--vault", self.vault, "--key", self.key], 80, environment={"TERM": "dumb", "NO_COLOR": "1"})
        self.assertNotIn("\x1b", shown)

    # ---- signals and speed

    def test_an_interrupt_stops_a_job_and_cleans_up(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        running = subprocess.Popen([COFFER, "points", "--vault", self.vault, "--key", f"passphrase-command:cat {fifo}"],
                                   env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        # The command waits for a writer; once the fifo can be opened for writing, somebody reads it.
        while True:
            try:
                writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
                break
            except OSError:
                time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
        os.close(writer)
        self.assertEqual(running.returncode, 130, errors)
        self.assertIn("stopping", errors)

    def test_version_starts_in_less_than_thirty_milliseconds(self):
        best = 1.0
        for _ in range(20):
            began = time.monotonic()
            self.run_tool("version", check=True)
            best = min(best, time.monotonic() - began)
        self.assertLess(best, 0.03 if "asan" not in COFFER else 1)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
