# SPDX-License-Identifier: LGPL-2.1-only
# Unit tests of core/base and core/nbd.
add_library(unit_support STATIC unit.c)
target_compile_definitions(unit_support PRIVATE _POSIX_C_SOURCE=200809L)
target_include_directories(unit_support SYSTEM PRIVATE ${CMOCKA_INCLUDE_DIR})

foreach(subject byte_order checked slot_map text)
  wnbd_add_unit_test(NAME base.${subject} SOURCES base_${subject}.c LIBRARIES core_base unit_support)
endforeach()
