# SPDX-License-Identifier: LGPL-2.1-only
set(CORE_BASE_SOURCES
  ${CMAKE_SOURCE_DIR}/core/base/slot_map.c
  ${CMAKE_SOURCE_DIR}/core/base/text.c
  ${CMAKE_SOURCE_DIR}/core/base/utf8.c)
