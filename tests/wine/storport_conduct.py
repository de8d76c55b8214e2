#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""The port driver under Wine: a good miniport with RAM disks passes, one that breaks a rule is stopped with its name.

The rules chosen are those that the Wine ground watches with means of its own (redirected imports, released SRBs, the
driver process's end); the native test host.conduct breaks every rule. Each case has a Wine of its own.
    storport_conduct.py          all cases, two at a time
    storport_conduct.py CASE     one case, inside tools/wine-env --bare
"""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOOD = "none"
RULES = ["LEAK_POOL", "LEAK_IRP", "LEAK_MDL", "LEAK_WORK_ITEM", "LEAK_WSK", "LEAK_DPC", "LEAK_HANDLE",
         "LEAK_DEVICE", "LEAK_THREAD", "POOL_FREE", "CALLBACK_IRQL", "SRB_AFTER", "COMPLETE_TWICE", "INIT_SIZE"]
PLUG, UNPLUG, BUSY, DEFER = 1, 2, 5, 12
UNDONE = 75  # of a case that a rule stopped, so that wine-env's own 70 can't be mistaken for it


def run(*arguments, check=True):
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, text=True, errors="replace", check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(arguments)}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def install(fault):
    drive = pathlib.Path(os.environ["WINEPREFIX"]) / "drive_c" / "wnbd"
    for name in ("ramdisk.sys", "ramdisk.inf"):
        shutil.copy(ROOT / "build" / "testbed" / name, drive)
    run("ramdiskctl", "install", r"C:\wnbd\ramdisk.inf", fault, check=fault == GOOD)


def state(*command):
    return dict(line.split() for line in run("ramdiskctl", *map(str, command)).splitlines())


def wait(what, condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within 20 s")


def disks():
    return run("disktool", "list").count("PhysicalDrive")


def good():
    install(GOOD)
    wait("the first disk's arrival", lambda: disks() == 1)
    run("disktool", "1", "random", "--count", "500")
    assert state(DEFER)["last-data-unusable"] == "1", "DataBuffer of READ and WRITE was usable in spite of MapBuffers"
    run("disktool", "1", "random", "--count", "500", "--seed", "2")  # completed by the miniport's DPC
    state(BUSY, 0, 3)
    run("disktool", "1", "random", "--count", "20")
    state(PLUG, 2)
    wait("the second disk's arrival", lambda: disks() == 2)
    state(UNPLUG, 2)
    wait("the second disk's removal", lambda: disks() == 1)
    wait("ScsiUnitRemove", lambda: state(0)["unit-removes"] == "1")
    run("ramdiskctl", "remove")


def case(name):
    """In the prefix. The driver's process ends at a breach, so commands may fail; the log tells."""
    if name == GOOD:
        good()
        return 0
    install(name)
    time.sleep(1)
    run("ramdiskctl", "remove", check=False)
    return UNDONE


def outside(name):
    done = subprocess.run([ROOT / "tools" / "wine-env", "--bare", sys.executable, __file__, name],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200,
                          text=True, errors="replace", check=False)
    if name == GOOD:
        fine = done.returncode == 0
    else:
        fine = done.returncode == UNDONE and f"STORPORT-VIOLATION: {name}:" in done.stdout
    return name, fine, done.stdout


def main():
    if len(sys.argv) == 2:
        return case(sys.argv[1])
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, fine, output in pool.map(outside, [GOOD] + RULES):
            print(f"{name:16} {'passes' if name == GOOD else 'caught'}" if fine else f"{name:16} FAILED\n{output}",
                  flush=True)
            failures += not fine
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
