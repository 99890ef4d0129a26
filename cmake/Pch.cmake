# How a target is compiled, so that everything from scratch takes minutes: precompiled headers, batches, and no optimiser where it does not pay.

# lido_compiled_as(target library|support|test|program|shown):
#   library  what users link: in batches of a folder, when LIDO_UNITY is ALL; optimised as a whole then (lido_optimised_as)
#   support  a library of the tests' or the benchmarks', in batches
#   test     in batches, and not optimised: the coroutines of tests cost the optimiser more than they ever run. A library of such, too
#   program  in batches
#   shown    what documents show: each by itself, not optimised; UNSANITIZED
# Each kind has a precompiled header (g++ mixes neither -fPIC and -fPIE nor levels of optimisation): 2 s less a translation unit. Batches
# (LIDO_UNITY) are worth more: they instantiate Asio's templates once.
function(lido_compiled_as target type)
  lido_optimised_as(${target} ${type})
  get_target_property(kind ${target} TYPE)
  if(type MATCHES "test|shown" AND NOT kind STREQUAL "EXECUTABLE")
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIE)  # as the programs whose precompiled header it shares
    if(type STREQUAL "test")
      target_compile_options(${target} PRIVATE $<TARGET_PROPERTY:GTest::gtest,INTERFACE_COMPILE_OPTIONS>)
    endif()
  endif()
  if(NOT type STREQUAL "shown" AND (LIDO_UNITY STREQUAL "ALL" OR (LIDO_UNITY AND NOT type STREQUAL "library")))
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
    if(type STREQUAL "library")
      target_compile_options(${target} PRIVATE -Wno-shadow)  # the names of a batch's other files; told where each is compiled by itself
    endif()
  endif()
  if(LIDO_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE --param=ggc-min-heapsize=524288)  # g++ spends a tenth of its time collecting garbage
  endif()
  if(NOT LIDO_PCH OR (LIDO_PCH STREQUAL "TESTS" AND NOT type STREQUAL "test"))
    return()
  endif()
  if(type STREQUAL "support")
    set(type library)
  endif()
  set(pch lido_${type}_pch)
  if(NOT TARGET ${pch})
    file(WRITE ${PROJECT_BINARY_DIR}/${pch}.cpp "int main() {}\n")
    if(type STREQUAL "library")
      add_library(${pch} STATIC EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/${pch}.cpp)
    else()
      add_executable(${pch} EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/${pch}.cpp)
    endif()
    if(type STREQUAL "test")
      target_link_libraries(${pch} PRIVATE GTest::gmock)
      target_precompile_headers(${pch} PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
    endif()
    target_compile_features(${pch} PRIVATE cxx_std_20)
    lido_pch_flags(${pch})
    if(type STREQUAL "shown")
      lido_target_flags(${pch} UNSANITIZED)
    else()
      lido_target_flags(${pch})
    endif()
    lido_optimised_as(${pch} ${type})
    target_precompile_headers(${pch} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch.hpp)
  endif()
  lido_pch_flags(${target})
  target_precompile_headers(${target} REUSE_FROM ${pch})
endfunction()

# g++ stops inlining when a translation unit has grown by 40 %, which is soon in a batch: that would cost 5 to 10 % of the instructions of a
# query. With the limits of a larger unit, and of larger inline functions (Asio's), it needs as many as file by file, within 3 %.
# At -O3, CMake's Release, which no preset has, its warnings of copies are then wrong about std::string (GCC's bugs 105329 and 105651).
set(lido_inlining --param=large-unit-insns=100000 --param=inline-unit-growth=100 --param=max-inline-insns-single=110
                  $<$<CONFIG:Release>:-Wno-restrict$<SEMICOLON>-Wno-stringop-overflow$<SEMICOLON>-Wno-array-bounds>)

function(lido_optimised_as target type)
  if(type STREQUAL "library" AND LIDO_UNITY STREQUAL "ALL" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT LIDO_SANITIZE)
    target_compile_options(${target} PRIVATE ${lido_inlining})
  endif()
  if(LIDO_FUZZ AND type MATCHES "library|support")
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)  # coverage, for the fuzzers' sake: tests need none
  endif()
  if(NOT PROJECT_IS_TOP_LEVEL)
    return()
  endif()
  if(LIDO_SANITIZE AND NOT type MATCHES "test|shown")
    target_compile_options(${target} PRIVATE -O1)
  elseif(NOT LIDO_SANITIZE AND type MATCHES "test|shown" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Fortifying needs an optimiser. Who looks for a fault with a debugger takes the dev preset: -g1 is a twentieth of the time.
    target_compile_options(${target} PRIVATE -O0 -U_FORTIFY_SOURCE $<$<CONFIG:RelWithDebInfo>:-g0>)
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
