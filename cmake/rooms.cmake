# A room is a folder of halftone/; its sources are what lies in it, its tests are its *_test.cpp.

function(halftone_sources out pattern_exclude)
  set(all)
  foreach(room ${ARGN})
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/halftone/${room}/*.cpp)
    list(APPEND all ${found})
  endforeach()
  list(FILTER all EXCLUDE REGEX ${pattern_exclude})
  set(${out} ${all} PARENT_SCOPE)
endfunction()

function(halftone_library name)
  halftone_sources(sources "_test\\.cpp$" ${ARGN})
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_include_directories(${name} SYSTEM PUBLIC ${PROTOZERO_INCLUDE})
  target_link_libraries(${name} PUBLIC halftone_flags)
endfunction()

# Links the libraries whole, the last named one standing on the others: operators and methods register
# themselves, and an archive member that nobody names would be dropped.
function(halftone_link_whole name)
  list(GET ARGN -1 last)
  list(JOIN ARGN "," joined)
  target_link_libraries(${name} PRIVATE ${last})
  set_target_properties(${name} PROPERTIES LINK_LIBRARY_OVERRIDE "WHOLE_ARCHIVE,${joined}")
endfunction()

function(halftone_executable name room)
  halftone_sources(sources "_test\\.cpp$" ${room})
  if(NOT HALFTONE_TRAIN)
    list(FILTER sources EXCLUDE REGEX "_train\\.cpp$")
  endif()
  add_executable(${name} ${sources})
  target_compile_definitions(${name} PRIVATE HALFTONE_VERSION="${PROJECT_VERSION}")
  halftone_link_whole(${name} ${halftone_libraries})
endfunction()
