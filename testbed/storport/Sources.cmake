# SPDX-License-Identifier: LGPL-2.1-only
# The port driver's sources: the core is the same on both grounds.
set(WNBD_STORPORT_CORE
  adapter.c adapter_pnp.c adapter_power.c conduct.c config.c dispatch.c eject.c entry.c ioctl.c notify.c
  pass_through.c pdo.c pdo_id.c property.c queue.c remove.c request.c reset.c scan.c scsi_request.c service.c srb.c
  timeout.c unit.c)
set(WNBD_STORPORT_WINE wine_book.c wine_dpc.c wine_etw.c wine_imports.c wine_locks.c wine_netio.c wine_platform.c
  wine_registry.c wine_resources.c wine_track.c wine_user.c)
set(WNBD_STORPORT_NATIVE native_platform.c)
foreach(part CORE WINE NATIVE)
  list(TRANSFORM WNBD_STORPORT_${part} PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
endforeach()
