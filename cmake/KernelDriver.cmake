# SPDX-License-Identifier: LGPL-2.1-only
# wnbd_add_driver(NAME SOURCES... ) makes NAME.sys, a kernel image: native subsystem, no C library,
# its own entry point, sections that memory integrity accepts. LIBRARIES are import libraries. An image with a .def
# among its sources exports something, which makes it a DLL in its headers; others are none, as Microsoft's linker
# makes them with /DRIVER:WDM. Pool tags are constants of four characters. -ffreestanding alone would leave out the
# unwind tables, without which neither a debugger nor a crash dump sees through the driver's frames.
function(wnbd_add_driver name)
  cmake_parse_arguments(ARG "" "ENTRY" "SOURCES;LIBRARIES;DEFINITIONS" ${ARGN})
  if(NOT ARG_ENTRY)
    set(ARG_ENTRY DriverEntry)
  endif()
  if(ARG_SOURCES MATCHES "\\.def(;|$)")
    add_library(${name} SHARED ${ARG_SOURCES})
  else()
    add_executable(${name} ${ARG_SOURCES})
    if(CMAKE_C_COMPILER_ID STREQUAL Clang)
      target_link_options(${name} PRIVATE -Wl,--Xlink=-driver:wdm -Wl,--Xlink=-tsaware:no)
    endif()
  endif()
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".sys")
  target_include_directories(${name} PRIVATE
    ${CMAKE_SOURCE_DIR}/ddk ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/core)
  target_include_directories(${name} SYSTEM PRIVATE /usr/x86_64-w64-mingw32/include/ddk)
  target_compile_definitions(${name} PRIVATE _KERNEL_MODE=1 ${ARG_DEFINITIONS})
  target_compile_options(${name} PRIVATE -ffreestanding -fasynchronous-unwind-tables -fno-stack-protector
    -mno-red-zone -mno-stack-arg-probe -fno-strict-aliasing -Wframe-larger-than=1024 -Wno-multichar)
  target_link_options(${name} PRIVATE -nostdlib -Wl,--subsystem,native -Wl,--entry,${ARG_ENTRY}
    -Wl,--image-base,0x140000000 -Wl,--dynamicbase -Wl,--nxcompat -Wl,--no-seh)
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} ntoskrnl hal)
endfunction()

# wnbd_add_import_library(NAME DEF) makes of a module definition what images link that import from its module.
function(wnbd_add_import_library name def)
  find_program(WNBD_DLLTOOL NAMES llvm-dlltool-19 x86_64-w64-mingw32-dlltool REQUIRED)
  set(library ${CMAKE_CURRENT_BINARY_DIR}/lib${name}.a)
  add_custom_command(OUTPUT ${library}
    COMMAND ${WNBD_DLLTOOL} -m i386:x86-64 -d ${def} -l ${library} DEPENDS ${def} VERBATIM)
  add_custom_target(${name}_library DEPENDS ${library})
  add_library(${name} INTERFACE)
  target_link_libraries(${name} INTERFACE ${library})
  add_dependencies(${name} ${name}_library)
endfunction()
