#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only
# run_handler.sh SCRATCH, in tools/wine-env: handler.cpp compiles, links, and starts with the library that ships.
set -e
here=$(cd "$(dirname "$0")" && pwd)
"$here/build_handler.sh" "$1"
cp "$1/handler.exe" "$WINEPREFIX/drive_c/wnbd/"
version=$(wine 'C:\wnbd\handler.exe' version | tr -d '\r')
echo "handler.exe runs with libwnbd.dll $version"
case "$version" in
[0-9]*.[0-9]*.[0-9]*) ;;
*) exit 1 ;;
esac
