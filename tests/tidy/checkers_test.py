#!/usr/bin/env python3
"""The checkers must fail on what they forbid: each case is a small tree with one fault."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEAD = "// For the test.\n#pragma once\n"


def run(script, files, *more):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, str(HERE / script), folder, *(argument.replace("@", folder) for argument in more)],
                              capture_output=True, text=True)
        made = {path.name: path.read_text() for path in Path(folder, "out").glob("*")}
        return done.returncode, done.stdout, made


class house_rules(unittest.TestCase):
    def expect(self, files, text):
        status, output, _ = run("house_rules.py", files)
        self.assertEqual(status, 1, output)
        self.assertIn(text, output)

    def test_a_clean_tree_passes(self):
        status, output, _ = run("house_rules.py", {"driver/wire/a.hpp": HEAD + "#include <lido/driver/error.hpp>\n#include <span>\n"})
        self.assertEqual(status, 0, output)

    def test_a_knob_in_the_documents_that_there_is_not(self):
        schema = """{"definitions": {"pool": {"properties": {"max_size": {}, "parameters": {"additionalProperties": {"type": "string"}},
                     "cancel": {"properties": {"after": {}}}}}}}"""

        def tree(text):
            return {"docs/reference/lido.schema.json": schema, "docs/a.md": text}

        good = "[pool.web]\nmax_size = 5\ncancel.after = 1\nparameters.search_path = 'a'\n[pool.web.cancel]\nafter = 2\n"
        indented = "text:\n\n    " + good.replace("\n", "\n    ") + "\n\nint max_sise = 1\n"
        for text in ("```toml\n" + good + "```\n```cpp\nint x = 1;\n```\n", indented, "    [pgbouncer]\n    pool_mode = session\n"):
            status, output, _ = run("house_rules.py", tree(text))
            self.assertEqual(status, 0, output)
        self.expect(tree("```toml\n[pool.web]\nmax_sise = 5\n```\n"), "docs/a.md:3: there is no knob max_sise")
        self.expect(tree("    [pool.web]\n    reset_mode = 5\n"), "docs/a.md:2: there is no knob reset_mode")
        self.expect(tree("```toml\n[pool.web.cancel]\nbefore = 5\n```\n"), "docs/a.md:3: there is no knob cancel.before")

    def test_wire_does_not_include_session(self):
        self.expect({"driver/wire/a.hpp": HEAD + '#include "driver/session/b.hpp"\n'}, "driver/wire may not include driver/session")

    def test_pool_does_not_include_private_parts_of_the_driver(self):
        self.expect({"pool/pool.cpp": '#include "driver/io/connection.hpp"\n'}, "pool may not include driver/io")

    def test_core_does_not_include_asio(self):
        self.expect({"pool/core/a.cpp": "#include <asio/post.hpp>\n"}, "pool/core may not include asio")

    def test_prometheus_only_in_metrics(self):
        self.expect({"pool/a.cpp": "#include <prometheus/collectable.h>\n"}, "pool may not include prometheus")

    def test_openssl_only_in_transport_and_scram(self):
        self.expect({"driver/io/a.cpp": "#include <openssl/ssl.h>\n"}, "driver/io may not include openssl")
        status, output, _ = run("house_rules.py", {"driver/session/scram.cpp": "#include <openssl/evp.h>\n"})
        self.assertEqual(status, 0, output)

    def test_a_relative_private_include(self):
        self.expect({"driver/wire/a.cpp": '#include "frame.hpp"\n'}, "from the repository's root")

    def test_an_unknown_layer(self):
        self.expect({"driver/misc/a.cpp": "#include <asio/post.hpp>\n"}, "no known layer")

    def test_asios_internals_in_one_file_only(self):
        self.expect({"driver/io/a.cpp": "asio::detail::scheduler* s;\n"}, "Asio's internals only in")

    def test_no_abseil_in_public_headers(self):
        self.expect({"pool/include/lido/pool/a.hpp": HEAD + "absl::Span<int> x;\n"}, "no Abseil in public headers")

    def test_pragma_once(self):
        self.expect({"pool/core/a.hpp": "// For the test.\n"}, "no #pragma once")

    def test_long_files(self):
        self.expect({"pool/core/a.cpp": "\n" * 701}, "701 lines")

    def test_forbidden_words(self):
        for word, reason in (("TO" "DO", "unfinished"), ("NO" "LINT", "needs a check"), ("GTEST_" "SKIP", "a test runs"),
                             ("#include <asio" ".hpp>", "narrow")):
            self.expect({"tests/unit/a.cpp": f"{'' if word[0] == '#' else '// '}{word}\n"}, reason)

    def test_no_sleeping_tests(self):
        self.expect({"tests/unit/a.cpp": "std::this_thread::sleep_" + "for(1s);\n"}, "no sleep")

    def test_a_promise_without_a_test(self):
        contract = {"docs/contract.md": "**I1** exactly once\n\n**I2** prompt\n"}
        self.expect({**contract, "tests/contract/a.cpp": "TEST(contract, I1_completes_once) {}\n"}, "I2 has no test")
        both = "TEST(contract, I1_completes_once) {}\nTEST_F(contract, I2_prompt) {}\n"
        status, output, _ = run("house_rules.py", {**contract, "tests/contract/a.cpp": both})
        self.assertEqual(status, 0, output)

    def test_a_named_test_that_is_not_there(self):
        tests = {"tests/a.cpp": "TEST(faults, F1_restart) {}\nTEST_P(by_route, F2_stop) {}\nTEST(hostile_tls, B10_trickle) {}\n"}

        def page(proof):
            return {**tests, "docs/reliability.md": f"| F1 | `cancel.after` is no test here | {proof} |\n"}
        for proof in ("`faults.F1_*`", "`all/by_route.F2_stop`, `hostile_*.B10_*`", "`B10_*`", "[pgbouncer.md](pgbouncer.md)", "by construction (`a.py`)"):
            status, output, _ = run("house_rules.py", page(proof))
            self.assertEqual(status, 0, output)
        self.expect(page("`faults.F3_*`"), "there is no test faults.F3_*")
        self.expect(page("`faults.F1_*`, `other.F1_*`"), "there is no test other.F1_*")
        self.expect(page("`B11_*`"), "there is no test B11_*")


class snippets(unittest.TestCase):
    def test_blocks_are_extracted_with_their_place(self):
        text = "text\n```cpp\n#include <x>\nint main() {}\n```\n```cpp\nint f();\n```\n```cpp body\nco_await x;\n```\n```sh\n#include\n```\n"
        status, output, made = run("extract_snippets.py", {"README.md": text}, "@/out")
        self.assertEqual(status, 0, output)
        self.assertEqual(made["README_md_3.cpp"], '#line 3 "README.md"\n#include <x>\nint main() {}\n')
        self.assertIn('namespace snippet_7 {\n#line 7 "README.md"\nint f();\n}', made["README_md.cpp"])
        self.assertIn('#line 10 "README.md"\nco_await x;\nco_return;\n}', made["README_md.cpp"])
        self.assertNotIn("sh", made["README_md.cpp"].split("literals;")[1])


if __name__ == "__main__":
    unittest.main()
