# Precompiled headers, one for the libraries and one for the tests (they differ in -fPIC and -fPIE, which g++ does not mix). Saves about 2 s a
# translation unit of a library and 4 s of a test. Off by default; in the clang preset only for the tests, so that a missing #include of the
# libraries shows.

# lido_compiled_as(target library|test|program): how hard it is optimised, and its precompiled header. What only tests is compiled for the
# compiler's time instead of its own: the coroutines of tests cost the optimiser more than they ever run.
function(lido_compiled_as target type)
  lido_optimised_as(${target} ${type})
  if(NOT LIDO_PCH OR type STREQUAL "program" OR (LIDO_PCH STREQUAL "TESTS" AND NOT type STREQUAL "test"))
    return()
  endif()
  set(pch lido_${type}_pch)
  if(NOT TARGET ${pch})
    file(WRITE ${PROJECT_BINARY_DIR}/${pch}.cpp "int main() {}\n")
    if(type STREQUAL "test")
      add_executable(${pch} EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/${pch}.cpp)
      target_link_libraries(${pch} PRIVATE GTest::gmock)
      target_precompile_headers(${pch} PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
    else()
      add_library(${pch} STATIC EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/${pch}.cpp)
    endif()
    target_compile_features(${pch} PRIVATE cxx_std_20)
    lido_pch_flags(${pch})
    lido_optimised_as(${pch} ${type})
    lido_target_flags(${pch})
    target_precompile_headers(${pch} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch.hpp)
  endif()
  lido_pch_flags(${target})
  target_precompile_headers(${target} REUSE_FROM ${pch})
endfunction()

function(lido_optimised_as target type)
  if(NOT PROJECT_IS_TOP_LEVEL)
    return()
  endif()
  if(LIDO_SANITIZE AND NOT type STREQUAL "test")
    target_compile_options(${target} PRIVATE -O1)
  elseif(NOT LIDO_SANITIZE AND type STREQUAL "test" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -O1)
  endif()
endfunction()

# g++ takes a precompiled header only from a compilation that saw the same macros.
function(lido_pch_flags target)
  target_link_libraries(${target} PRIVATE Asio::asio)
  target_compile_definitions(${target} PRIVATE ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=${LIDO_ASIO_CACHE_SIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess)  # ccache needs it
  endif()
endfunction()
