# SPDX-License-Identifier: LGPL-2.1-only
# What goes where: component `dist` is what ships, component `testbed` the Windows half of the test bed.
# tools/build installs them into build/dist and build/testbed.

# Installs an image with its PDB.
function(wnbd_install_image target component)
  install(FILES $<TARGET_FILE:${target}> DESTINATION . COMPONENT ${component})
  install(FILES $<PATH:REPLACE_EXTENSION,LAST_ONLY,$<TARGET_FILE:${target}>,.pdb> DESTINATION . COMPONENT ${component})
endfunction()

# Everything that runs of a directory of the test bed.
function(wnbd_install_testbed directory)
  get_property(targets DIRECTORY ${directory} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(kind ${target} TYPE)
    if(kind MATCHES "^(EXECUTABLE|SHARED_LIBRARY|MODULE_LIBRARY)$")
      wnbd_install_image(${target} testbed)
    endif()
  endforeach()
  file(GLOB infs CONFIGURE_DEPENDS ${directory}/*.inf)
  if(infs)
    install(FILES ${infs} DESTINATION . COMPONENT testbed)
  endif()
endfunction()

if(TARGET wnbd)
  # What Windows' event log reads: 11 is RT_MESSAGETABLE, the language English (United States).
  set(events ${CMAKE_BINARY_DIR}/generated/wnbd_events.bin)
  set(messages ${CMAKE_BINARY_DIR}/generated/wnbd_messages.bin)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  add_custom_command(OUTPUT ${events} ${messages}
    COMMAND ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
      ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/events --resources ${CMAKE_BINARY_DIR}/generated
    DEPENDS ${CMAKE_SOURCE_DIR}/packaging/wnbd.man ${CMAKE_SOURCE_DIR}/tools/events
      ${CMAKE_SOURCE_DIR}/tools/event_resources.py
    VERBATIM)
  wnbd_add_version_resource(wnbd wnbd.sys DRIVER "WNBD virtual storage miniport driver"
    MORE "LANGUAGE 9, 1\n1 11 \"${messages}\"\n1 WEVT_TEMPLATE \"${events}\"" FILES ${events} ${messages})
  install(FILES ${CMAKE_SOURCE_DIR}/packaging/wnbd.man DESTINATION . COMPONENT dist)
  # The format of WPP's messages has their GUID as its name, by which tools find it.
  set(format ${CMAKE_BINARY_DIR}/generated/6e1bd93c-84c7-4e0a-b25d-3f1a906c5e27.tmf)
  add_custom_command(OUTPUT ${format}
    COMMAND ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
      ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/events --tmf ${CMAKE_BINARY_DIR}/generated
    DEPENDS ${CMAKE_SOURCE_DIR}/packaging/wnbd.man ${CMAKE_SOURCE_DIR}/tools/events
      ${CMAKE_SOURCE_DIR}/driver/log_wpp.c ${events}
    VERBATIM)
  add_custom_target(wnbd_tmf ALL DEPENDS ${format})
  install(FILES ${format} DESTINATION . COMPONENT dist)
  wnbd_install_image(wnbd dist)
endif()
if(TARGET libwnbd)
  wnbd_add_version_resource(libwnbd libwnbd.dll DLL "WNBD client library")
  wnbd_install_image(libwnbd dist)
  install(FILES $<TARGET_LINKER_FILE:libwnbd> DESTINATION . RENAME libwnbd.a COMPONENT dist)
endif()
if(TARGET wnbd-client)
  wnbd_add_version_resource(wnbd-client wnbd-client.exe APP "WNBD command line client")
  wnbd_install_image(wnbd-client dist)
endif()
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/ DESTINATION include COMPONENT dist FILES_MATCHING PATTERN "*.h")
foreach(dir testbed/storport testbed/disk testbed/wine testbed/wine/cfgmgr32)
  if(EXISTS ${CMAKE_SOURCE_DIR}/${dir}/CMakeLists.txt)
    wnbd_install_testbed(${CMAKE_SOURCE_DIR}/${dir})
  endif()
endforeach()
