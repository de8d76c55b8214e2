# SPDX-License-Identifier: LGPL-2.1-only
foreach(name block inquiry misc mode random reserve resize sense unmap)
  wnbd_add_unit_test(NAME scsi.${name} SOURCES scsi_${name}.c scsi_support.c LIBRARIES core_scsi)
endforeach()
