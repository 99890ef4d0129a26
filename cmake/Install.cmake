# Installs the libraries, exactly the public headers, a CMake package and pkg-config files.
get_property(_lido_libraries GLOBAL PROPERTY LIDO_LIBRARIES)
install(TARGETS ${_lido_libraries} EXPORT lido-targets FILE_SET HEADERS)
set(_lido_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/lido)
install(EXPORT lido-targets NAMESPACE lido:: DESTINATION ${_lido_cmake_dir})

configure_package_config_file(cmake/lido-config.cmake.in ${PROJECT_BINARY_DIR}/lido-config.cmake
  INSTALL_DESTINATION ${_lido_cmake_dir} NO_SET_AND_CHECK_MACRO)
# Before 1.0 there is no promise between minor versions.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/lido-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/lido-config.cmake ${PROJECT_BINARY_DIR}/lido-config-version.cmake cmake/FindAsio.cmake cmake/FindLibidn.cmake
  DESTINATION ${_lido_cmake_dir})

# pkg-config knows Debian's Abseil by the names of its CMake targets, with an underscore.
list(TRANSFORM LIDO_ABSL_TARGETS REPLACE "absl::" "absl_" OUTPUT_VARIABLE _lido_pc_requires)
list(APPEND _lido_pc_requires tomlplusplus)
list(JOIN _lido_pc_requires ", " LIDO_PC_REQUIRES)
# Relative to the file itself, so that an installed tree can be moved.
file(RELATIVE_PATH LIDO_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" LIDO_PC_PREFIX ${LIDO_PC_PREFIX})
set(_lido_pc_files lido)
if(LIDO_METRICS)
  list(APPEND _lido_pc_files lido-metrics)
endif()
foreach(_lido_pc IN LISTS _lido_pc_files)
  configure_file(cmake/${_lido_pc}.pc.in ${PROJECT_BINARY_DIR}/${_lido_pc}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${_lido_pc}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
