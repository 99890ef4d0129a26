# Uses ccache when it is there and nobody has chosen a launcher. The sloppiness is what ccache needs to cache precompiled headers;
# NOHASHDIR lets build trees share what they compile alike.
if(NOT CMAKE_CXX_COMPILER_LAUNCHER AND PROJECT_IS_TOP_LEVEL)
  find_program(LIDO_CCACHE ccache)
  if(LIDO_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        CCACHE_NOHASHDIR=1
        ${LIDO_CCACHE})
  endif()
endif()
