# SPDX-License-Identifier: LGPL-2.1-only
# make          what ships, into build/dist, and the Windows half of the test bed, into build/testbed
# make dist     what people download, into build/packages; SIGN=test, or options of tools/sign
# make docs     the manuals: documents as web pages, the headers' reference, the manual page, into build/docs
# make demo     the whole path once, to watch
# make test     all tests
# make test-ceph   disks of a real Ceph of one node, which it starts; not part of make test
# make bench    how fast it is, beside other NBD clients; ROUNDS=n, SECONDS=n
# make bench-ceph  how fast an image of such a Ceph is, with and without a gateway; ROUNDS=n, SECONDS=n
# make soak     simulates lives of the driver from seeds for as long as asked; SEED=n, SECONDS=n
# make fuzz     fuzzes: TARGET=name SECONDS=n; without TARGET it lists the targets
# make mutants  plants bugs and sees which tests catch them; NAMES="..." for some of tests/mutants
# make coverage which lines and branches the tests reach, as a table and as HTML
all: ; @tools/build
dist: ; @tools/dist $(if $(filter test,$(SIGN)),--test,$(SIGN))
docs: ; @tools/docs
demo: ; @tools/demo
test: ; @tools/run-tests
test-ceph: ; @tools/test-ceph
bench: ; @tools/bench $(ROUNDS:%=--rounds %) $(SECONDS:%=--seconds %)
bench-ceph: ; @tools/bench-ceph $(ROUNDS:%=--rounds %) $(SECONDS:%=--seconds %)
soak: ; @tools/deps build test && tools/soak $(if $(SEED)$(SECONDS),$(or $(SEED),0) $(SECONDS))
fuzz: ; @tools/deps build test && tools/fuzz $(TARGET) $(SECONDS)
mutants: ; @tools/deps build test && tools/mutants $(NAMES)
coverage: ; @tools/deps build test && tools/coverage
clean: ; rm -rf build
.PHONY: all dist docs demo test test-ceph bench bench-ceph soak fuzz mutants coverage clean
