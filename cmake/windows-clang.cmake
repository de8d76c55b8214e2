# SPDX-License-Identifier: LGPL-2.1-only
# Cross toolchain: clang-19 and lld-19 with the mingw-w64 headers and import libraries.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_C_COMPILER_TARGET x86_64-w64-mingw32)
set(CMAKE_AR llvm-ar-19)
set(CMAKE_RANLIB llvm-ranlib-19)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
# PDBs: CodeView in the objects, one PDB beside each image.
set(CMAKE_C_FLAGS_INIT "-fms-extensions -g -gcodeview -D_WIN32_WINNT=0x0A00 -DNTDDI_VERSION=0x0A000006")
foreach(kind EXE SHARED MODULE)
  set(CMAKE_${kind}_LINKER_FLAGS_INIT
    "-fuse-ld=lld-19 -Wno-unused-command-line-argument -Wl,--pdb= -Wl,--Xlink=-Brepro")
endforeach()
