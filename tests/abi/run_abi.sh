#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only
# run_abi.sh windows|native SCRATCH COMPILER FLAGS...
# Compiles the generated checks with one compiler and compares what it made of the headers with the
# tables: windows reads the objects' debug information, native runs the program.
set -e
here=$(cd "$(dirname "$0")" && pwd)
ground=$1 scratch=$2
shift 2
rm -rf "$scratch"
python3 "$here/generate.py" "$scratch"
if [ "$ground" = native ]; then
    set -- "$@" -fshort-wchar "-I$here/basic"
fi
for unit in layout functions names run; do
    "$@" -Wall -Wextra -pedantic -Werror -gdwarf-5 "-I$here/../../include" \
        -c "$scratch/abi_$unit.c" -o "$scratch/abi_$unit.o"
done
python3 "$here/check_layout.py" "$scratch/abi_layout.o"
if [ "$ground" = native ]; then
    "$@" "$scratch/abi_run.c" "-I$here/../../include" -o "$scratch/abi_run"
    "$scratch/abi_run"
fi
