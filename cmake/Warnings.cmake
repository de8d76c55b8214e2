# SPDX-License-Identifier: LGPL-2.1-only
# Warnings are errors everywhere; the portable core is held to the letter of C11.
add_compile_options(-Wall -Wextra -Werror -Wvla -Wshadow -Wmissing-prototypes -Wstrict-prototypes)
# What ships: no conversion that may change a value goes unsaid.
set(WNBD_PRODUCT_OPTIONS -Wconversion -Wsign-conversion)
# For Windows it is to the letter of C11 as well, and without extensions that Microsoft's compiler lacks; what may
# differ is in the headers made for one compiler. __try is one of those that it has.
if(WIN32 AND CMAKE_C_COMPILER_ID STREQUAL Clang)
  list(APPEND WNBD_PRODUCT_OPTIONS -pedantic-errors -Wgnu -Wmicrosoft -Wno-language-extension-token)
endif()
set(WNBD_CORE_OPTIONS -pedantic-errors ${WNBD_PRODUCT_OPTIONS})
