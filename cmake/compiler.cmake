# Warnings, sanitizers and ccache for every target of ours.
find_program(HALFTONE_CCACHE ccache)
if(HALFTONE_CCACHE)
  # GCC's precompiled headers are cached only with this sloppiness; the base folder lets a second clone hit.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
      ${HALFTONE_CCACHE})
endif()

add_library(halftone_flags INTERFACE)
target_compile_options(halftone_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion)
target_compile_options(halftone_flags INTERFACE -ffp-contract=off)  # the numeric contract has no fused multiply-add
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(halftone_flags INTERFACE -fpch-preprocess)
  # g++ 12 warns of overlap in its own std::string operator+ (GCC bug 105651).
  target_compile_options(halftone_flags INTERFACE -Wno-restrict)
endif()
if(NOT HALFTONE_TRAIN)  # a small program: functions that only LibTorch's verbs call are left out of it
  target_compile_options(halftone_flags INTERFACE $<$<CONFIG:Release>:-ffunction-sections>)
  target_link_options(halftone_flags INTERFACE $<$<CONFIG:Release>:-Wl,--gc-sections>)
endif()
if(HALFTONE_WERROR)
  target_compile_options(halftone_flags INTERFACE -Werror)
endif()
if(HALFTONE_SANITIZE)
  target_compile_options(halftone_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined
                         -fno-omit-frame-pointer)
  target_link_options(halftone_flags INTERFACE -fsanitize=address,undefined)
endif()
if(HALFTONE_FUZZ)
  target_compile_options(halftone_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined)
  target_link_options(halftone_flags INTERFACE -fsanitize=address,undefined)
endif()
