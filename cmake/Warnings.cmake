# SPDX-License-Identifier: LGPL-2.1-only
# Warnings are errors everywhere; the portable core is held to the letter of C11.
add_compile_options(-Wall -Wextra -Werror -Wvla -Wshadow -Wmissing-prototypes -Wstrict-prototypes)
# What ships: no conversion that may change a value goes unsaid.
set(WNBD_PRODUCT_OPTIONS -Wconversion -Wsign-conversion)
set(WNBD_CORE_OPTIONS -pedantic-errors ${WNBD_PRODUCT_OPTIONS})
