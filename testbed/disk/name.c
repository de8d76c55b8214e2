/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Device objects and names of disks, as disk.sys makes them: a directory \Device\HarddiskN that holds the device DRn,
 * and the symbolic link \??\PhysicalDriveN. See name.h.
 *
 * Lock: NameLock protects the numbers and the list of lingering disks.
 */
#include "name.h"

#define NUMBER_COUNT 1024u
#define NAME_CHARACTERS 64u
#define LINGER_MS 1000u

typedef struct {
    UNICODE_STRING String;
    WCHAR Characters[NAME_CHARACTERS];
} NAME;

static KSPIN_LOCK NameLock;
static UCHAR NumberUsed[NUMBER_COUNT];
static LIST_ENTRY Lingering;
static LONG LastSequence;

VOID NameInitialize(VOID)
{
    KeInitializeSpinLock(&NameLock);
    InitializeListHead(&Lingering);
}

static VOID NameAppendNumber(NAME *Name, ULONG Number)
{
    WCHAR Digits[11];
    ULONG At = ARRAYSIZE(Digits);

    Digits[--At] = L'\0';
    do {
        Digits[--At] = (WCHAR)(L'0' + Number % 10);
        Number /= 10;
    } while (Number != 0);
    RtlAppendUnicodeToString(&Name->String, &Digits[At]);
}

static VOID NameStart(NAME *Name, PCWSTR Text, ULONG Number)
{
    Name->String.Buffer = Name->Characters;
    Name->String.Length = 0;
    Name->String.MaximumLength = sizeof(Name->Characters);
    RtlAppendUnicodeToString(&Name->String, Text);
    NameAppendNumber(Name, Number);
}

/* The lowest unused number from First on, marked as used; NUMBER_COUNT when there is none. */
static ULONG NumberTake(ULONG First)
{
    ULONG Number;
    KIRQL Irql;

    KeAcquireSpinLock(&NameLock, &Irql);
    for (Number = First; Number < NUMBER_COUNT && NumberUsed[Number]; Number++) {
    }
    if (Number < NUMBER_COUNT) {
        NumberUsed[Number] = 1;
    }
    KeReleaseSpinLock(&NameLock, Irql);
    return Number;
}

static VOID NumberGiveBack(ULONG Number)
{
    KIRQL Irql;

    KeAcquireSpinLock(&NameLock, &Irql);
    NumberUsed[Number] = 0;
    KeReleaseSpinLock(&NameLock, Irql);
}

/* Somebody else's disk may have the name: Wine's mount manager makes such links for the disks of the machine. */
static BOOLEAN LinkExists(ULONG Number)
{
    OBJECT_ATTRIBUTES Attributes;
    HANDLE Link;
    NAME Name;

    NameStart(&Name, L"\\??\\PhysicalDrive", Number);
    InitializeObjectAttributes(&Attributes, &Name.String, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    if (!NT_SUCCESS(ZwOpenSymbolicLinkObject(&Link, GENERIC_READ, &Attributes))) {
        return FALSE;
    }
    ZwClose(Link);
    return TRUE;
}

static NTSTATUS DirectoryOpen(ULONG Number, HANDLE *Directory)
{
    OBJECT_ATTRIBUTES Attributes;
    NAME Name;

    NameStart(&Name, L"\\Device\\Harddisk", Number);
    InitializeObjectAttributes(&Attributes, &Name.String, OBJ_CASE_INSENSITIVE | OBJ_OPENIF | OBJ_KERNEL_HANDLE, NULL,
                               NULL);
    return ZwCreateDirectoryObject(Directory, DIRECTORY_ALL_ACCESS, &Attributes);
}

static VOID DeviceName(NAME *Name, ULONG Number, ULONG Sequence)
{
    NameStart(Name, L"\\Device\\Harddisk", Number);
    RtlAppendUnicodeToString(&Name->String, L"\\DR");
    NameAppendNumber(Name, Sequence);
}

static NTSTATUS DeviceCreate(PDRIVER_OBJECT Driver, ULONG Number, DISK **Result)
{
    ULONG Sequence = (ULONG)InterlockedIncrement(&LastSequence);
    PDEVICE_OBJECT Device;
    HANDLE Directory;
    NTSTATUS Status = DirectoryOpen(Number, &Directory);
    DISK *Disk;
    NAME Name;

    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    DeviceName(&Name, Number, Sequence);
    Status =
        IoCreateDevice(Driver, sizeof(DISK), &Name.String, FILE_DEVICE_DISK, FILE_DEVICE_SECURE_OPEN, FALSE, &Device);
    if (!NT_SUCCESS(Status)) {
        ZwClose(Directory);
        return Status;
    }
    Disk = Device->DeviceExtension;
    Disk->Fdo = Device;
    Disk->Number = Number;
    Disk->Sequence = Sequence;
    Disk->Directory = Directory;
    *Result = Disk;
    return STATUS_SUCCESS;
}

NTSTATUS NameCreateDevice(PDRIVER_OBJECT Driver, DISK **Disk)
{
    NTSTATUS Status = STATUS_INSUFFICIENT_RESOURCES;
    ULONG Number;

    for (Number = NumberTake(0); Number < NUMBER_COUNT; Number = NumberTake(Number + 1)) {
        if (!LinkExists(Number)) {
            Status = DeviceCreate(Driver, Number, Disk);
            if (NT_SUCCESS(Status)) {
                return STATUS_SUCCESS;
            }
        }
        NumberGiveBack(Number);
    }
    DbgPrint("wnbddisk: cannot create a device object for a new disk: status 0x%08lx\n", (ULONG)Status);
    return Status;
}

NTSTATUS NameCreateLink(DISK *Disk)
{
    NAME Link;
    NAME Device;
    NTSTATUS Status;

    NameStart(&Link, L"\\??\\PhysicalDrive", Disk->Number);
    DeviceName(&Device, Disk->Number, Disk->Sequence);
    Status = IoCreateSymbolicLink(&Link.String, &Device.String);
    if (Status != STATUS_SUCCESS) {
        /* Wine reports a name that is in use as STATUS_OBJECT_NAME_EXISTS, which NT_SUCCESS takes for success. */
        DbgPrint("wnbddisk: cannot create the name PhysicalDrive%lu: status 0x%08lx\n", Disk->Number, (ULONG)Status);
        return NT_SUCCESS(Status) ? STATUS_OBJECT_NAME_COLLISION : Status;
    }
    Disk->LinkCreated = TRUE;
    return STATUS_SUCCESS;
}

VOID NameDeleteLink(DISK *Disk)
{
    NAME Link;

    if (!Disk->LinkCreated) {
        return;
    }
    Disk->LinkCreated = FALSE;
    NameStart(&Link, L"\\??\\PhysicalDrive", Disk->Number);
    IoDeleteSymbolicLink(&Link.String);
}

VOID NameDelete(DISK *Disk)
{
    KIRQL Irql;

    ZwClose(Disk->Directory);
    NumberGiveBack(Disk->Number);
    KeAcquireSpinLock(&NameLock, &Irql);
    Disk->LingerSince = ClockMs();
    InsertTailList(&Lingering, &Disk->LingerLink);
    KeReleaseSpinLock(&NameLock, Irql);
}

VOID NameLastClose(DISK *Disk)
{
    KIRQL Irql;

    KeAcquireSpinLock(&NameLock, &Irql);
    Disk->LingerSince = ClockMs();
    KeReleaseSpinLock(&NameLock, Irql);
}

/* The next lingering disk to delete, taken from the list; NULL when there is none. */
static DISK *LingeringTake(BOOLEAN All)
{
    ULONGLONG Now = ClockMs();
    DISK *Found = NULL;
    PLIST_ENTRY Entry;
    KIRQL Irql;

    KeAcquireSpinLock(&NameLock, &Irql);
    for (Entry = Lingering.Flink; Entry != &Lingering && Found == NULL; Entry = Entry->Flink) {
        DISK *Disk = CONTAINING_RECORD(Entry, DISK, LingerLink);
        BOOLEAN Open;

        KeAcquireSpinLockAtDpcLevel(&Disk->Lock);
        Open = Disk->OwnOpenCount != 0;
        KeReleaseSpinLockFromDpcLevel(&Disk->Lock);
        if (All || (!Open && Now - Disk->LingerSince > LINGER_MS)) {
            Found = Disk;
        }
    }
    if (Found != NULL) {
        RemoveEntryList(&Found->LingerLink);
    }
    KeReleaseSpinLock(&NameLock, Irql);
    return Found;
}

VOID NameReap(BOOLEAN All)
{
    DISK *Disk;

    while ((Disk = LingeringTake(All)) != NULL) {
        IoDeleteDevice(Disk->Fdo);
    }
}
