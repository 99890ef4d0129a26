// Small file helpers: whole-file reads and writes, and a temporary folder that goes with its owner.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace lido::testing {

[[nodiscard]] std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view text, mode_t mode = 0644);

/// A fresh folder under /tmp, whose name starts with `prefix`; removed with everything in it by the destructor.
class temporary_folder {
 public:
  explicit temporary_folder(std::string_view prefix);
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace lido::testing
