/* SPDX-License-Identifier: LGPL-2.1-only */
/* StorPortInitialize and its end: the miniports that called it. */
#include "port.h"

static LIST_ENTRY Miniports = {&Miniports, &Miniports};
static KSPIN_LOCK MiniportsLock;

MINIPORT *PortMiniportFind(PDRIVER_OBJECT DriverObject)
{
    MINIPORT *Found = NULL;
    LIST_ENTRY *Entry;
    KIRQL Irql;

    KeAcquireSpinLock(&MiniportsLock, &Irql);
    for (Entry = Miniports.Flink; Entry != &Miniports && Found == NULL; Entry = Entry->Flink)
        if (CONTAINING_RECORD(Entry, MINIPORT, Link)->DriverObject == DriverObject)
            Found = CONTAINING_RECORD(Entry, MINIPORT, Link);
    KeReleaseSpinLock(&MiniportsLock, Irql);
    return Found;
}

/* Value BusType of the service's Parameters key; Fibre without it, as Storport has it. */
static UCHAR ReadBusType(PUNICODE_STRING RegistryPath)
{
    static WCHAR Suffix[] = L"\\Parameters";
    UNICODE_STRING Value = RTL_CONSTANT_STRING(L"BusType");
    UCHAR Buffer[sizeof(KEY_VALUE_PARTIAL_INFORMATION) + sizeof(ULONG)];
    KEY_VALUE_PARTIAL_INFORMATION *Information = (KEY_VALUE_PARTIAL_INFORMATION *)Buffer;
    const ULONG Length = RegistryPath->Length + (ULONG)sizeof(Suffix);
    OBJECT_ATTRIBUTES Attributes;
    UNICODE_STRING Path;
    UCHAR BusType = 6;
    ULONG Needed, Data = 0;
    HANDLE Key;

    Path.Buffer = ExAllocatePoolWithTag(PagedPool, Length, PORT_TAG);
    if (Path.Buffer == NULL)
        return BusType;
    RtlCopyMemory(Path.Buffer, RegistryPath->Buffer, RegistryPath->Length);
    RtlCopyMemory((PUCHAR)Path.Buffer + RegistryPath->Length, Suffix, sizeof(Suffix));
    Path.Length = (USHORT)(Length - sizeof(WCHAR));
    Path.MaximumLength = (USHORT)Length;
    InitializeObjectAttributes(&Attributes, &Path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    if (NT_SUCCESS(ZwOpenKey(&Key, KEY_READ, &Attributes))) {
        if (NT_SUCCESS(
                ZwQueryValueKey(Key, &Value, KeyValuePartialInformation, Information, sizeof(Buffer), &Needed)) &&
            Information->Type == REG_DWORD && Information->DataLength == sizeof(Data)) {
            RtlCopyMemory(&Data, Information->Data, sizeof(Data));
            BusType = (UCHAR)(Data & 0x7F);
        }
        ZwClose(Key);
    }
    ExFreePoolWithTag(Path.Buffer, PORT_TAG);
    return BusType;
}

static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    MINIPORT *Miniport = PortMiniportFind(DriverObject);
    PORT_CALL Call;
    KIRQL Irql;

    if (Miniport->Init.HwCleanupTracing != NULL) {
        Call = PortCallEnter();
        Miniport->Init.HwCleanupTracing(DriverObject);
        PortCallLeave(Call, "HwCleanupTracing");
    }
    KeAcquireSpinLock(&MiniportsLock, &Irql);
    RemoveEntryList(&Miniport->Link);
    KeReleaseSpinLock(&MiniportsLock, Irql);
    ExFreePoolWithTag(Miniport, PORT_TAG);
    PortQuarantineDrain();
    PortPlatformDetach(DriverObject);
}

ULONG NTAPI StorPortInitialize(PVOID DriverObject, PVOID RegistryPath, PHW_INITIALIZATION_DATA HwInitializationData,
                               PVOID HwContext)
{
    PDRIVER_OBJECT Driver = DriverObject;
    MINIPORT *Miniport;
    PORT_CALL Call;
    KIRQL Irql;

    PortConfigCheckRegistration(HwInitializationData);
    Miniport = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Miniport), PORT_TAG);
    if (Miniport == NULL)
        return (ULONG)STATUS_INSUFFICIENT_RESOURCES;
    RtlZeroMemory(Miniport, sizeof(*Miniport));
    Miniport->DriverObject = Driver;
    Miniport->Init = *HwInitializationData;
    Miniport->HwContext = HwContext;
    Miniport->BusType = ReadBusType(RegistryPath);
    PortPlatformAttach(Driver, (PVOID)(ULONG_PTR)Miniport->Init.HwStartIo);
    Driver->DriverExtension->AddDevice = PortAdapterAdd;
    Driver->DriverUnload = Unload;
    PortDispatchInstall(Driver);
    KeAcquireSpinLock(&MiniportsLock, &Irql);
    InsertTailList(&Miniports, &Miniport->Link);
    KeReleaseSpinLock(&MiniportsLock, Irql);
    if (Miniport->Init.HwInitializeTracing != NULL) {
        Call = PortCallEnter();
        Miniport->Init.HwInitializeTracing(DriverObject, RegistryPath);
        PortCallLeave(Call, "HwInitializeTracing");
    }
    return (ULONG)STATUS_SUCCESS;
}
