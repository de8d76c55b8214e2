# SPDX-License-Identifier: LGPL-2.1-only
# Unit tests of core/base and core/nbd.
add_library(unit_support STATIC unit.c)
target_compile_definitions(unit_support PRIVATE _POSIX_C_SOURCE=200809L)
target_include_directories(unit_support SYSTEM PRIVATE ${CMOCKA_INCLUDE_DIR})

foreach(subject bits byte_order checked slot_map text)
  wnbd_add_unit_test(NAME base.${subject} SOURCES base_${subject}.c LIBRARIES core_base unit_support)
endforeach()

# The same tests twice: with whole messages, and with one byte at a time.
foreach(subject contract export handshake list transmission)
  wnbd_add_unit_test(NAME nbd.${subject} SOURCES nbd_${subject}.c nbd_bench.c
                     LIBRARIES core_nbd core_base unit_support)
  add_test(NAME unit.nbd.${subject}.bytewise COMMAND unit_nbd_${subject} 1)
  set_tests_properties(unit.nbd.${subject}.bytewise PROPERTIES TIMEOUT 120)
endforeach()

wnbd_add_unit_test(NAME nbd.replay SOURCES nbd_replay.c nbd_session.c nbd_bench.c
                   LIBRARIES core_nbd core_base unit_support)
target_compile_definitions(unit_nbd_replay PRIVATE SESSION_DIRECTORY="${CMAKE_CURRENT_SOURCE_DIR}/data")

# Makes the sessions in data/; see data/record-sessions.
add_executable(unit_nbd_record nbd_record.c nbd_bench.c)
target_compile_definitions(unit_nbd_record PRIVATE _POSIX_C_SOURCE=200809L)
target_link_libraries(unit_nbd_record PRIVATE core_nbd core_base ${CMOCKA_LIBRARY})
target_include_directories(unit_nbd_record SYSTEM PRIVATE ${CMOCKA_INCLUDE_DIR})

wnbd_add_unit_test(NAME nbd.property SOURCES nbd_property.c nbd_bench.c LIBRARIES core_nbd core_base unit_support)
