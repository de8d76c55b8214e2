/* SPDX-License-Identifier: LGPL-2.1-only */
/* native.h: start and end of the test bed, drivers, and the checks at unload. */
#include "pnp.h"

#include <stdio.h>
#include <stdlib.h>

uint64_t NtSeed;
static NATIVE_DRIVER *NativeDrivers;

void NativeStart(const NATIVE_OPTIONS *Options)
{
    NtSeed = Options->Seed;
    GroundSeed(Options->Seed);
    GroundNow();
    FaultStart(Options->Faults);
    DbgStart(Options->LogLevel, Options->Log);
    CancelStart();
    ProcessStart(Options->ForeignNotifyRoutines);
    DpcStart(Options->OneProcessor);
    TimerStart();
    WorkStart();
    PnpStart();
    WskStart(Options);
}

void NativeStop(void)
{
    NT_ASSERT(NativeDrivers == NULL);
    PnpStop();
    WorkStop();
    TimerStop();
    DpcStop();
    WskStop();
    IrpQuarantineEmpty();
    InterfaceClear();
    RegistryClear();
}

NATIVE_COUNTS NativeCounts(void)
{
    return (NATIVE_COUNTS){.PoolAllocations = TrackCount(TRACK_POOL),
                           .Irps = TrackCount(TRACK_IRP),
                           .Mdls = TrackCount(TRACK_MDL),
                           .WorkItems = TrackCount(TRACK_WORK_ITEM),
                           .Devices = TrackCount(TRACK_DEVICE),
                           .Handles = TrackCount(TRACK_HANDLE),
                           .Sockets = TrackCount(TRACK_SOCKET),
                           .AddressLists = TrackCount(TRACK_ADDRESS_INFO),
                           .Threads = TrackCount(TRACK_THREAD)};
}

NATIVE_DRIVER *NativeDriverLoad(const char *Service, PDRIVER_INITIALIZE Entry, NTSTATUS *Status)
{
    NT_FRAME Frame;
    char Path[256];
    UNICODE_STRING RegistryPath;
    NATIVE_DRIVER *Driver = calloc(1, sizeof(*Driver));
    if (Driver == NULL) {
        abort();
    }
    DriverObjectInitialize(&Driver->Object, &Driver->Extension);
    snprintf(Driver->Service, sizeof(Driver->Service), "%s", Service);
    snprintf(Path, sizeof(Path), NATIVE_SERVICES "%s", Service);
    TextToWide(Driver->Path, 256, Path);
    snprintf(Path, sizeof(Path), "\\Driver\\%s", Service);
    TextToWide(Driver->Name, 128, Path);
    RtlInitUnicodeString(&Driver->Object.DriverName, Driver->Name);
    RtlInitUnicodeString(&Driver->Extension.ServiceKeyName, Driver->Path);
    RtlInitUnicodeString(&RegistryPath, Driver->Path);
    Driver->Object.DriverInit = Entry;
    NtCallbackEnter(&Frame, "DriverEntry");
    *Status = Entry(&Driver->Object, &RegistryPath);
    NtCallbackLeave(&Frame);
    if (!NT_SUCCESS(*Status)) {
        /* No DriverUnload then: DriverEntry has cleaned up. */
        free(Driver);
        return NULL;
    }
    GroundLockEnter(&PnpLock);
    Driver->Next = NativeDrivers;
    NativeDrivers = Driver;
    GroundLockLeave(&PnpLock);
    return Driver;
}

void NativeDriverMatch(NATIVE_DRIVER *Driver, const char *Id)
{
    snprintf(Driver->MatchId, sizeof(Driver->MatchId), "%s", Id);
}

NATIVE_DRIVER *PnpDriverFor(NATIVE_DEVICE *Node)
{
    GroundLockEnter(&PnpLock);
    NATIVE_DRIVER *Driver = NativeDrivers;
    while (Driver != NULL && (Driver->MatchId[0] == '\0' || !NativeDeviceHasId(Node, Driver->MatchId))) {
        Driver = Driver->Next;
    }
    GroundLockLeave(&PnpLock);
    return Driver;
}

/* What a driver has to give back before it goes; of the last driver, all there is. */
static void UnloadCheckAll(void)
{
    ProcessCheckUnload();
    TimerCheckUnload();
    DpcCheckUnload();
    TrackCheckEmpty(TRACK_THREAD, RULE_THREAD_AT_UNLOAD, "system threads");
    TrackCheckEmpty(TRACK_ETW, RULE_ETW_AT_UNLOAD, "event providers");
    TrackCheckEmpty(TRACK_WORK_ITEM, RULE_WORK_ITEM_LEAK, "work items");
    TrackCheckEmpty(TRACK_SOCKET, RULE_WSK_LEAK, "WSK sockets");
    TrackCheckEmpty(TRACK_ADDRESS_INFO, RULE_WSK_LEAK, "address lists");
    TrackCheckEmpty(TRACK_WSK_CLIENT, RULE_WSK_LEAK, "WSK registrations");
    TrackCheckEmpty(TRACK_DEVICE, RULE_DEVICE_LEAK, "device objects");
    TrackCheckEmpty(TRACK_HANDLE, RULE_HANDLE_LEAK, "handles");
    TrackCheckEmpty(TRACK_IRP, RULE_IRP_LEAK, "IRPs");
    TrackCheckEmpty(TRACK_MDL, RULE_MDL_LEAK, "MDLs");
    TrackCheckEmpty(TRACK_POOL, RULE_POOL_LEAK, "pool allocations");
}

void NativeDriverUnload(NATIVE_DRIVER *Driver)
{
    NT_FRAME Frame;
    NativePnpSettle();
    WorkSettle();
    if (Driver->Object.DeviceObject != NULL) {
        NtViolation(RULE_DEVICE_LEAK, "DriverUnload", "the driver %s still has devices", Driver->Service);
    }
    if (Driver->Object.DriverUnload != NULL) {
        NtCallbackEnter(&Frame, "DriverUnload");
        Driver->Object.DriverUnload(&Driver->Object);
        NtCallbackLeave(&Frame);
    }
    GroundLockEnter(&PnpLock);
    NATIVE_DRIVER **Link = &NativeDrivers;
    while (*Link != Driver) {
        Link = &(*Link)->Next;
    }
    *Link = Driver->Next;
    GroundLockLeave(&PnpLock);
    free(Driver);
    if (NativeDrivers == NULL) {
        UnloadCheckAll();
    }
}

ULONG NativeLocksHeld(void)
{
    return KeGetCurrentThread()->LockCount;
}
