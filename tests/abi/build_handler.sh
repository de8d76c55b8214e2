#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only
# build_handler.sh FOLDER [STANDARD]: makes FOLDER/handler.exe as Ceph's build would, of include/ and
# libwnbd/libwnbd.def alone. STANDARD: of C++, 17 by default.
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
x86_64-w64-mingw32-dlltool -d "$here/../../libwnbd/libwnbd.def" -D libwnbd.dll -l "$1/libwnbd.a"
x86_64-w64-mingw32-g++ "-std=c++${2:-17}" -Wall -Wextra -Werror -O2 -static "-I$here/../../include" \
    "$here/handler.cpp" "$1/libwnbd.a" -o "$1/handler.exe"
