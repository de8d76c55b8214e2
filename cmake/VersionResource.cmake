# SPDX-License-Identifier: LGPL-2.1-only
# wnbd_add_version_resource(TARGET FILE TYPE DESCRIPTION) gives the image FILE, which TARGET builds, a version
# resource. TYPE is DRIVER, DLL or APP. It works from any directory, after the target exists.
# The object is made by windres itself: CMake would hand it the C compiler's options.
# Then come lines of a resource script, MORE, and the files that they name, which others make.
function(wnbd_add_version_resource target file type description)
  cmake_parse_arguments(ARG "" "MORE" "FILES" ${ARGN})
  set(RESOURCE_MORE "${ARG_MORE}")
  set(RESOURCE_FILE ${file})
  set(RESOURCE_DESCRIPTION ${description})
  set(RESOURCE_SUBTYPE VFT2_UNKNOWN)
  if(type STREQUAL DRIVER)
    set(RESOURCE_TYPE VFT_DRV)
    set(RESOURCE_SUBTYPE VFT2_DRV_SYSTEM)
  else()
    set(RESOURCE_TYPE VFT_${type})
  endif()
  set(base ${CMAKE_BINARY_DIR}/generated/${target}_version)
  set(header ${CMAKE_BINARY_DIR}/generated/version.h)
  configure_file(${CMAKE_SOURCE_DIR}/packaging/version.rc.in ${base}.rc @ONLY)
  add_custom_command(OUTPUT ${base}.res.o
    COMMAND ${CMAKE_RC_COMPILER} -I ${CMAKE_BINARY_DIR}/generated -i ${base}.rc -o ${base}.res.o
    DEPENDS ${base}.rc ${header} ${ARG_FILES} wnbd_version_header
    VERBATIM)
  add_custom_target(${target}_version_resource DEPENDS ${base}.res.o)
  add_dependencies(${target} ${target}_version_resource)
  target_link_libraries(${target} PRIVATE ${base}.res.o)
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${base}.res.o)
endfunction()
