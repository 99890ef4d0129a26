#!/usr/bin/env bash
# install_test.sh BUILD_DIR CONSUMER_DIR WORK_DIR CXX WHAT: installs the package into WORK_DIR, then builds and runs a program against it.
set -euo pipefail
build=$1 consumer=$2 work=$3 cxx=$4 what=$5
prefix=$work/prefix

flags_of_pkg_config() {
  local dir
  dir=$(dirname "$(find "$prefix" -name lido.pc)")
  PKG_CONFIG_PATH=$dir pkg-config "$@"
}

case $what in
  install)
    rm -rf "$prefix"
    cmake --install "$build" --prefix "$prefix" >"$work/install.log"
    test -n "$(find "$prefix" -name lido-config.cmake)"
    # Private headers stay private.
    private=$(find "$prefix/include" -name '*.hpp' ! -path "$prefix/include/lido/*")
    test -z "$private" || { echo "installed but not public: $private"; exit 1; }
    ;;
  find_package)
    rm -rf "$work/find_package"
    cmake -S "$consumer" -B "$work/find_package" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$cxx"
    cmake --build "$work/find_package"
    "$work/find_package/consumer"
    "$work/find_package/metrics_consumer"
    ;;
  pkg_config)
    # shellcheck disable=SC2046
    "$cxx" -std=c++20 -O1 $(flags_of_pkg_config --cflags lido) "$consumer/main.cpp" -o "$work/pkg_config" \
      $(flags_of_pkg_config --libs lido)
    "$work/pkg_config"
    flags_of_pkg_config --exists --print-errors lido-metrics
    ;;
  other_asio_does_not_link)
    # The same program with another allocator cache than the library's must not link, and the message must say why.
    # shellcheck disable=SC2046
    if "$cxx" -std=c++20 -O1 $(flags_of_pkg_config --cflags lido) -UASIO_RECYCLING_ALLOCATOR_CACHE_SIZE \
      "$consumer/main.cpp" -o "$work/other_asio" $(flags_of_pkg_config --libs lido) 2>"$work/other_asio.log"; then
      echo "a program with another Asio was linked"
      exit 1
    fi
    grep 'library_was_built_with_another_asio' "$work/other_asio.log"
    ;;
  *) echo "unknown: $what" >&2; exit 2 ;;
esac
