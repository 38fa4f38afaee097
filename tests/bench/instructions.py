#!/usr/bin/python3
"""Counts the instructions that decoding a body and encoding its Redis commands take, and compares them with
instructions.txt.  Unlike times they are the same on a busy machine, so that a change of a per cent is seen.
"""
import argparse
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

import payloads
import servers

HERE = pathlib.Path(__file__).resolve().parent
RECORD = HERE / "instructions.txt"
TIMES = 10
TOLERANCE = 0.03
DAY = "86400"


def options():
    p = argparse.ArgumentParser(description=__doc__.split(".", maxsplit=1)[0])
    p.add_argument("--build", type=pathlib.Path, default=HERE.parents[1] / "build/gcc-release", metavar="DIR",
                   help="where bench-decode is (build/gcc-release)")
    p.add_argument("--update", action="store_true", help="record what was counted")
    return p.parse_args()


def environment():
    """What the counts depend on besides our sources."""
    return "# %s, %s %s, %s" % (servers.first_line("cc", "--version"), *platform.libc_ver(), platform.machine())


def collected(command):
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command],
                          capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit("%s\n%s" % (" ".join(command), done.stderr))
    return int(found[1])


def per_body(program, content_type, file, window):
    """Without what a process costs before and after: the difference of two runs."""
    command = [str(program), content_type, str(file), window]
    return (collected([*command, str(1 + TIMES)]) - collected([*command, "1"])) // TIMES


def count_all(program):
    with tempfile.NamedTemporaryFile() as file:
        for workload in payloads.workloads():
            pathlib.Path(file.name).write_bytes(payloads.numbered(workload, 0))
            for window in "0", DAY:
                name = workload.name + ("-dedupe" if window == DAY else "")
                yield name, per_body(program, workload.content_type, file.name, window)


def recorded():
    lines = RECORD.read_text(encoding="utf-8").splitlines() if RECORD.exists() else [""]
    return lines[0], dict(line.split() for line in lines[1:])


def main():
    opts = options()
    where, old = recorded()
    comparable = where == environment()
    lines, worse = [environment()], False
    for name, now in count_all(opts.build / "bench-decode"):
        before = int(old.get(name, 0))
        change = now / before - 1 if before else 0
        worse |= comparable and change > TOLERANCE
        lines.append("%-16s %12d" % (name, now))
        print("%s %+7.2f%%" % (lines[-1], 100 * change) if before else lines[-1])
    if not comparable:
        print("recorded elsewhere (%s), so the change says little" % (where or "not yet"))
    if opts.update:
        RECORD.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif worse:
        print("more than %.0f%% worse: improve it, or record it with --update" % (100 * TOLERANCE))
    return int(worse and not opts.update)


if __name__ == "__main__":
    sys.exit(main())
