# SPDX-License-Identifier: LGPL-2.1-only
# The portable core's sources, by part, as lists: the driver compiles them with the kernel's flags,
# libwnbd with the user's, the native build as libraries for the unit tests.
set(CORE_BASE_SOURCES)
set(CORE_NBD_SOURCES)
set(CORE_SCSI_SOURCES)
foreach(part base nbd scsi)
  if(EXISTS ${CMAKE_SOURCE_DIR}/core/${part}/Sources.cmake)
    include(${CMAKE_SOURCE_DIR}/core/${part}/Sources.cmake)
  endif()
endforeach()
