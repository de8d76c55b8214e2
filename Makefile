# SPDX-License-Identifier: LGPL-2.1-only
# make          what ships, into build/dist, and the Windows half of the test bed, into build/testbed
# make demo     the whole path once, to watch
# make test     all tests
all: ; @tools/build
demo: ; @tools/demo
test: ; @tools/run-tests
clean: ; rm -rf build
.PHONY: all demo test clean
