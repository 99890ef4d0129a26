// Folders that a crashed test program left behind. The server dies with its owner; this removes the files later, and a
// server that could not hear the order because it was stopped by SIGSTOP.
#pragma once

#include <filesystem>
#include <string_view>

namespace lido::testing::stale_clusters {

inline constexpr std::string_view prefix = "lido-pg-";

/// Notes in the folder that this very process owns it.
void mark_owner(const std::filesystem::path& folder);
/// Removes every marked folder under /tmp whose owner is gone.
void sweep();

}  // namespace lido::testing::stale_clusters
