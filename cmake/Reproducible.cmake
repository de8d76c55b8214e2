# SPDX-License-Identifier: LGPL-2.1-only
# The same commit gives the same bytes in any folder: neither images nor PDBs name this one. (The time stamps
# are hashes of the content: -Brepro, in the toolchain file.)
add_compile_options(
  $<$<COMPILE_LANGUAGE:C>:-ffile-prefix-map=${CMAKE_SOURCE_DIR}=c:/wnbd>
  $<$<COMPILE_LANGUAGE:C>:-ffile-prefix-map=${CMAKE_BINARY_DIR}=c:/wnbd/build>
  $<$<COMPILE_LANGUAGE:C>:-fdebug-compilation-dir=c:/wnbd/build>
  $<$<COMPILE_LANGUAGE:C>:-gno-codeview-command-line>)
# -release writes the image's checksum, without which Windows refuses a driver that the boot loader loads.
add_link_options(
  -Wl,--Xlink=-release
  -Wl,--Xlink=-pdbaltpath:%_PDB%
  -Wl,--Xlink=-pdbsourcepath:c:/wnbd/build)
