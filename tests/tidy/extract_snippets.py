#!/usr/bin/env python3
"""extract_snippets.py ROOT OUT: writes the ```cpp blocks of README.md and docs/**.md as sources to compile, and prints their names.

A block with an #include is a program or a file of its own. ```cpp body is the body of a coroutine that has `pool`, `db` (a lease) and `io`.
Any other is at namespace scope, behind all of Lido's public headers. Files are only written when they change, so that nothing is rebuilt for nothing.
"""
import re
import sys
from pathlib import Path

PRELUDE_LIBRARY = """\
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

using namespace std::chrono_literals;
"""
FENCE = re.compile(r"^```(.*)$")


def blocks_of(text):
    """(line of the first line, words after ```, text) of each fenced block."""
    info, start, body = None, 0, []
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line.strip()) if info is None or line.strip() == "```" else None
        if fence is None:
            if info is not None:
                body.append(line)
        elif info is None:
            info, start, body = fence.group(1).split(), number + 1, []
        else:
            yield start, info, "\n".join(body) + "\n"
            info = None


def wrapped(document, line, info, body):
    where = f'#line {line} "{document}"\n'
    if "body" in info:
        head = ("[[maybe_unused]] asio::awaitable<void> body([[maybe_unused]] lido::pool& pool, [[maybe_unused]] lido::lease& db,\n"
                "    [[maybe_unused]] asio::io_context& io) {\n")
        body = head + where + body + "co_return;\n}\n"
        where = ""
    return f"namespace snippet_{line} {{\n{where}{body}}}  // namespace snippet_{line}\n"


def public_headers(root):
    return [str(path.relative_to(top)) for library in ("driver", "pool", "metrics")
            for top in [root / library / "include"]
            for path in sorted(top.rglob("*.hpp")) if "detail" not in path.parts]


def write_if_changed(path, text):
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main():
    root, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    includes = "".join(f"#include <{header}>\n" for header in public_headers(root))
    written = []
    for document in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        if not document.exists():
            continue
        name = str(document.relative_to(root))
        stem = re.sub(r"\W+", "_", name)
        together = ""
        for line, info, body in blocks_of(document.read_text()):
            if not info or info[0] != "cpp":
                continue
            if re.search(r"^\s*#\s*include", body, re.M):
                written.append(out / f"{stem}_{line}.cpp")
                write_if_changed(written[-1], f'#line {line} "{name}"\n{body}')
            else:
                together += "\n" + wrapped(name, line, info, body)
        if together:
            written.append(out / f"{stem}.cpp")
            write_if_changed(written[-1], includes + PRELUDE_LIBRARY + together)
    for stale in set(out.glob("*.cpp")) - set(written):
        stale.unlink()
    print(";".join(str(path) for path in written), end="")


if __name__ == "__main__":
    main()
