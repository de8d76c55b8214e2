# SPDX-License-Identifier: LGPL-2.1-only
# The version comes from git (see tools/version); version.h is made at build time, so that a new
# commit shows without configuring again. Targets that include it link to wnbd_version.
add_custom_target(wnbd_version_header
  COMMAND ${CMAKE_SOURCE_DIR}/tools/version --header ${CMAKE_BINARY_DIR}/generated/version.h
  BYPRODUCTS ${CMAKE_BINARY_DIR}/generated/version.h
  VERBATIM)
add_library(wnbd_version INTERFACE)
target_include_directories(wnbd_version INTERFACE ${CMAKE_BINARY_DIR}/generated)
add_dependencies(wnbd_version wnbd_version_header)
