# SPDX-License-Identifier: LGPL-2.1-only
# The driver with the parts of the core that it is made of.
set(DRIVER_SOURCES)
foreach(file
    adapter channel_nbd channel_nbd_io channel_nbd_start channel_user channel_user_answer disk entry ioctl ioctl_create
    log log_etw log_wpp net_wsk options options_ioctl owner pend queue queue_done startio statistics status
    user_memory_mdl)
  list(APPEND DRIVER_SOURCES ${CMAKE_SOURCE_DIR}/driver/${file}.c)
endforeach()
list(APPEND DRIVER_SOURCES ${CORE_BASE_SOURCES} ${CORE_NBD_SOURCES} ${CORE_SCSI_SOURCES})
