// Who may read the file of a private key; libpq's rule, when a configuration is judged and again when the key is read.
#pragma once

#include <sys/stat.h>

namespace lido::inline v0::detail {

// The owner alone; the group, too, may read what is root's: keys that a system keeps for a group of services are so.
inline bool is_private_key(const struct stat& file) noexcept {
  const mode_t forbidden = file.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
  return (file.st_mode & forbidden) == 0;
}

}  // namespace lido::inline v0::detail
