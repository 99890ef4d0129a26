// Where a PostgreSQL server's programs are: Debian's under /usr/lib/postgresql, the others where
// tests/support/servers/install.sh puts them.
#pragma once

#include <filesystem>
#include <string_view>

namespace lido::testing {

/// The folder with `postgres` and `initdb` of a version ("15" ... "18") or of a folder given by its path. Empty: what
/// LIDO_TEST_POSTGRES says, and without it the newest of Debian. Throws when there is no such server.
[[nodiscard]] std::filesystem::path server_programs(std::string_view wanted = {});

/// The client program of that name: beside the server, or else Debian's.
[[nodiscard]] std::filesystem::path client_program(const std::filesystem::path& programs, std::string_view name);

}  // namespace lido::testing
