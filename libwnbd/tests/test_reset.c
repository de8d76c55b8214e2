/* SPDX-License-Identifier: LGPL-2.1-only */
/* Restarting the adapter (reset.c), with a Windows that is a few variables of fake_adapter.c. */
#include "provider.h"

void TestReset(void)
{
    FakeReset();
    RETURNS(0, WnbdResetAdapter());
    CHECK(Fake.Stopped == 1 && Fake.Started == 1);
    /* Somebody objects, and then doesn't any more. */
    FakeReset();
    Fake.StopObjections = 2;
    RETURNS(ERROR_BUSY, WnbdResetAdapter());
    CHECK(Fake.Stopped == 1 && Fake.Started == 0);
    RETURNS(0, WnbdResetAdapterEx(FAKE_PATIENCE_MS, 10));
    CHECK(Fake.Stopped == 3 && Fake.Started == 1);
    Fake.StopObjections = 5;
    RETURNS(0, WnbdResetAdapterEx(INFINITE, 0));
    CHECK(Fake.Started == 2);
    FakeReset();
    Fake.StopObjections = 1000000;
    ULONGLONG Before = GetTickCount64();
    RETURNS(ERROR_BUSY, WnbdResetAdapterEx(100, 20));
    CHECK(Fake.Stopped >= 2 && Fake.Started == 0 && GetTickCount64() - Before >= 90);
    /* Disks are in the way before Windows is asked; removed meanwhile, they are not. */
    PWNBD_DISK Disk = MakeDisk(1);
    RETURNS(ERROR_BUSY, WnbdResetAdapterEx(50, 10));
    CHECK(Fake.Stopped == 0 && Fake.There);
    EndDisk(Disk);
    RETURNS(0, WnbdResetAdapter());
    /* What is no objection is not tried again. */
    static const DWORD Errors[] = {ERROR_ACCESS_DENIED, ERROR_REMOVE_FAILED, ERROR_CALL_NOT_IMPLEMENTED};
    for (size_t Index = 0; Index < ARRAYSIZE(Errors); Index++) {
        FakeReset();
        Fake.StopError = Errors[Index];
        RETURNS(Errors[Index], WnbdResetAdapterEx(FAKE_PATIENCE_MS, 10));
        CHECK(Fake.Stopped == 1 && Fake.Started == 0);
    }
    FakeReset();
    Fake.StartError = ERROR_DEVICE_NOT_AVAILABLE;
    RETURNS(ERROR_DEVICE_NOT_AVAILABLE, WnbdResetAdapter());
    FakeReset();
    Fake.NeverBack = true;
    RETURNS(ERROR_DEVICE_NOT_AVAILABLE, WnbdResetAdapter());
    FakeReset();
    Fake.AdapterMissing = true;
    RETURNS(ERROR_OPEN_FAILED, WnbdResetAdapterEx(FAKE_PATIENCE_MS, 10));
    FakeReset();
    Fake.Errors[IOCTL_WNBD_LIST] = ERROR_GEN_FAILURE;
    RETURNS(ERROR_GEN_FAILURE, WnbdResetAdapterEx(FAKE_PATIENCE_MS, 10));
    CHECK(Fake.Stopped == 0);
}
