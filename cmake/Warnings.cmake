# lido_target_flags(target [UNSANITIZED]): warnings and hardening for a target of our own. PRIVATE, so that nothing leaks to consumers.
# UNSANITIZED: compiled, but never run where there are sanitizers: it goes without them, which cost half of clang's time.

if(PROJECT_IS_TOP_LEVEL)
  # -O1 halves the tests' run time, and _FORTIFY_SOURCE needs optimisation; -g1 keeps backtraces at a fraction of -g's size. With sanitizers
  # only the libraries are optimised: lido_compiled_as().
  set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")
  if(LIDO_SANITIZE)
    set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND NOT LIDO_SANITIZE AND NOT LIDO_FUZZ)
    # The clang preset is there for clang's warnings, which all come before optimisation: half the time of -O1 -g.
    set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g0")
  endif()
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
endif()

include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)

# Other linkers need half or a third of ld's time.
find_program(LIDO_GOLD ld.gold)  # of binutils
find_program(LIDO_LLD ld.lld-19)
mark_as_advanced(LIDO_GOLD LIDO_LLD)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND LIDO_GOLD)
  set(lido_linker -fuse-ld=gold)
elseif(CMAKE_CXX_COMPILER MATCHES "-19$" AND LIDO_LLD)
  set(lido_linker -fuse-ld=lld)
endif()

function(lido_target_flags target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "UNSANITIZED" "" "")
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${LIDO_WERROR}>:-Werror>)
  target_compile_options(${target} PRIVATE -fstack-protector-strong)
  target_compile_definitions(${target} PRIVATE _GLIBCXX_ASSERTIONS)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 mistakes the inlined operator new of Asio's coroutine frames for a foreign one.
    target_compile_options(${target} PRIVATE -Wno-mismatched-new-delete)
    if(LIDO_UNITY)
      # To g++ all that is not in the main file is a header, and a header with an unnamed namespace a mistake.
      target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
    endif()
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # lido::mutex carries clang's thread-safety attributes.
    target_compile_options(${target} PRIVATE -Wthread-safety)
  endif()
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    # Position-independent for those who link us into a shared library, without its price inside our own archive.
    target_compile_options(${target} PRIVATE -fno-semantic-interposition)
  elseif(type STREQUAL "EXECUTABLE")
    target_link_options(${target} PRIVATE -Wl,-z,relro,-z,now ${lido_linker})
  endif()
  if(LIDO_SANITIZE AND arg_UNSANITIZED)
    target_link_options(${target} PRIVATE -fsanitize=${LIDO_SANITIZE})  # for the libraries in it
  elseif(LIDO_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${LIDO_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${LIDO_SANITIZE})
    if(LIDO_SANITIZE MATCHES "undefined")
      target_compile_options(${target} PRIVATE -fno-sanitize-recover=undefined)
    endif()
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # g++ 12's flow warnings are wrong about instrumented code; its TSan warns of std::atomic_thread_fence in Asio.
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
      if(LIDO_SANITIZE MATCHES "thread")
        target_compile_options(${target} PRIVATE -Wno-tsan)
      endif()
    endif()
  else()
    # Not with sanitizers, whose checks are blind behind the fortified functions; and only with optimisation, which Debug has only here, not where
    # Lido is somebody's subproject.
    set(optimised Release,RelWithDebInfo,MinSizeRel)
    if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_FLAGS_DEBUG MATCHES "-O0")
      string(APPEND optimised ,Debug)
    endif()
    target_compile_definitions(${target} PRIVATE $<$<CONFIG:${optimised}>:_FORTIFY_SOURCE=2>)
  endif()
endfunction()
