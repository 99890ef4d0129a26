# lido_library(name PUBLIC deps... PRIVATE deps... BATCHED folders and files...): the static library lido_<name>, alias lido::<name>, in the current
# directory. Its public headers are include/lido/<name>/**.hpp; its sources every .cpp below. BATCHED: see lido_batches().

function(lido_library name)
  cmake_parse_arguments(arg "" "" "PUBLIC;PRIVATE;BATCHED" ${ARGN})
  set(target lido_${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/include/*.hpp)
  if(NOT sources)
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp "")
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp)
  endif()

  add_library(${target} STATIC ${sources})
  add_library(lido::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_CURRENT_SOURCE_DIR}/include FILES ${headers})
  target_link_libraries(${target} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  lido_target_flags(${target})
  lido_compiled_as(${target} library)
  lido_batches(${target} "${sources}" "${arg_BATCHED}")
  set_property(GLOBAL APPEND PROPERTY LIDO_LIBRARIES ${target})
endfunction()

# With LIDO_UNITY=ALL these folders and files are compiled in batches, one for each folder. g++ inlines less in a batch (4 % more instructions a
# query, were all of the driver in some), so the rest is compiled as users compile it; and tests put objects of their own in the place of some.
function(lido_batches target sources batched)
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
  foreach(source IN LISTS sources)
    cmake_path(GET source FILENAME file)
    cmake_path(GET source PARENT_PATH folder)
    cmake_path(GET folder FILENAME folder)
    if(folder IN_LIST batched OR file IN_LIST batched)
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${folder})
    endif()
  endforeach()
endfunction()
