# SPDX-License-Identifier: LGPL-2.1-only
set(CORE_NBD_SOURCES
  ${CMAKE_SOURCE_DIR}/core/nbd/client.c
  ${CMAKE_SOURCE_DIR}/core/nbd/export.c
  ${CMAKE_SOURCE_DIR}/core/nbd/failure.c
  ${CMAKE_SOURCE_DIR}/core/nbd/handshake.c
  ${CMAKE_SOURCE_DIR}/core/nbd/list.c
  ${CMAKE_SOURCE_DIR}/core/nbd/reply.c
  ${CMAKE_SOURCE_DIR}/core/nbd/request.c)
