#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only
# run_handler.sh SCRATCH, in tools/wine-env: handler.cpp compiles in C++17 and, as later Cephs do, in C++20, links,
# imports all that Ceph's handler uses (ceph-functions.txt), and starts with the library that ships.
set -e
here=$(cd "$(dirname "$0")" && pwd)
"$here/build_handler.sh" "$1" 20
"$here/build_handler.sh" "$1" 17
imports=$(llvm-readobj-19 --coff-imports "$1/handler.exe" |
    sed -n '/Name: libwnbd.dll/,/^}/s/^  Symbol: \(.*\) (.*/\1/p')
for function in $(cat "$here/ceph-functions.txt"); do
    printf '%s\n' "$imports" | grep -qx "$function" || { echo "handler.exe does not import $function"; exit 1; }
done
cp "$1/handler.exe" "$WINEPREFIX/drive_c/wnbd/"
version=$(wine 'C:\wnbd\handler.exe' version | tr -d '\r')
echo "handler.exe runs with libwnbd.dll $version"
case "$version" in
[0-9]*.[0-9]*.[0-9]*) ;;
*) exit 1 ;;
esac
