# SPDX-License-Identifier: LGPL-2.1-only
set(CORE_SCSI_SOURCES
  ${CMAKE_SOURCE_DIR}/core/scsi/block.c
  ${CMAKE_SOURCE_DIR}/core/scsi/decode.c
  ${CMAKE_SOURCE_DIR}/core/scsi/inquiry.c
  ${CMAKE_SOURCE_DIR}/core/scsi/mode.c
  ${CMAKE_SOURCE_DIR}/core/scsi/reserve.c
  ${CMAKE_SOURCE_DIR}/core/scsi/sense.c
  ${CMAKE_SOURCE_DIR}/core/scsi/unmap.c
  ${CMAKE_SOURCE_DIR}/core/scsi/vpd.c)
