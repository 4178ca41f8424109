#!/usr/bin/env python3
"""The end-to-end suite: the coffer program against real PostgreSQL servers. Last line: N passed, N failed."""
import argparse
import importlib
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402

MODULES = ("commands", "load", "hint_bits", "summaries", "restores", "outages", "kills", "daemon_kills", "secrets", "every_answer", "peers", "s3_vault", "replica_red_team", "peer_faults", "exports", "copies",
           "seed", "two_daemons")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="every supported major, and thousands of kills")
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    parser.add_argument("--exactly", action="store_true", help="--only names one scenario in full")
    parser.add_argument("--preset", default="release", help="whose build/<preset>/bin/coffer is tested")
    parser.add_argument("--program", default="", help="the coffer program, instead of --preset")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run's random choices")
    parser.add_argument("--list", action="store_true", help="names the scenarios and ends")
    options = parser.parse_args()
    for module in MODULES:
        importlib.import_module("scenarios." + module)
    if options.list:
        for name, _, is_long in harness.SCENARIOS:
            print(name + (" (long)" if is_long else ""))
        return 0
    program = options.program or str(harness.REPOSITORY / "build" / options.preset / "bin" / "coffer")
    if not os.access(program, os.X_OK):
        print(f"there is no program {program}: build it first (scripts/build)")
        print("0 passed, 1 failed")
        return 1
    seed = options.seed if options.seed is not None else time.time_ns() % 1_000_000
    print(f"seed {seed}", flush=True)
    return harness.main(program, options.long, options.only, seed, options.exactly)


if __name__ == "__main__":
    sys.exit(main())
