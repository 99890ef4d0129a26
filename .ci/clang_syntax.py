#!/usr/bin/env python3
"""clang_syntax.py BUILD_DIR: clang's warnings over what that build tree would compile besides the libraries, without making code of it.

All of clang's warnings come before code generation: this is two thirds of the time of a build, and nothing is linked. What the tree's targets need
to be compiled at all (the libraries, the tests' precompiled header) has to be built before.
"""
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys

build = os.path.abspath(sys.argv[1])
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
libraries = tuple(os.path.join(root, part, "") for part in ("driver", "pool", "metrics"))


def command(entry):
    words = shlex.split(entry["command"])
    while "ccache" in os.path.basename(words[0]):
        del words[0]
    at = words.index("-o")
    del words[at : at + 2]
    words[words.index("-c")] = "-fsyntax-only"
    return words


def check(entry):
    done = subprocess.run(command(entry), cwd=entry["directory"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0 or done.stdout:
        print(f"{os.path.relpath(entry['file'], root)}:\n{done.stdout}", flush=True)
    return done.returncode == 0


with open(os.path.join(build, "compile_commands.json")) as text:
    entries = [e for e in json.load(text) if not e["file"].startswith(libraries) and not e["file"].startswith(os.path.join(build, ""))]
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    passed = sum(pool.map(check, entries))
print(f"clang: {passed} of {len(entries)} sources are without a warning")
sys.exit(passed != len(entries) or not entries)
