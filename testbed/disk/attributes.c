/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * IOCTL_DISK_GET_DISK_ATTRIBUTES and _SET_: a disk offline or read-only by the administrator's wish. On Windows
 * partmgr.sys keeps these, and no command reaches the device. What is set to persist belongs to a disk's identity,
 * page 83h, here until the driver is unloaded: a disk that comes back has it again, if it is recognised.
 */
#include "disk.h"

#define READ_ONLY 2ull
#define KNOWN_ATTRIBUTES 3ull /* offline, read-only */
#define REMEMBERED_MAX 16u

/* GET_DISK_ATTRIBUTES, SET_DISK_ATTRIBUTES of winioctl.h. */
typedef struct {
    ULONG Version;
    ULONG Reserved1;
    ULONGLONG Attributes;
} GET_ATTRIBUTES;

typedef struct {
    ULONG Version;
    BOOLEAN Persist;
    UCHAR Reserved1[3];
    ULONGLONG Attributes;
    ULONGLONG AttributesMask;
    ULONG Reserved2[4];
} SET_ATTRIBUTES;

C_ASSERT(sizeof(GET_ATTRIBUTES) == 16);
C_ASSERT(sizeof(SET_ATTRIBUTES) == 40 && FIELD_OFFSET(SET_ATTRIBUTES, AttributesMask) == 16);

/* All requests come in one thread, and START in another one that no request of the same disk runs beside. */
static struct {
    UCHAR Identity[IDENTITY_BYTES];
    ULONGLONG Attributes;
} Remembered[REMEMBERED_MAX];
static ULONG RememberedCount;

static ULONG RememberedFind(const DISK *Disk)
{
    ULONG Index = 0;

    while (Index < RememberedCount &&
           RtlCompareMemory(Remembered[Index].Identity, Disk->Identity, IDENTITY_BYTES) != IDENTITY_BYTES) {
        Index++;
    }
    return Index;
}

static VOID AttributesStore(DISK *Disk, ULONGLONG Attributes)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Disk->Lock, &Irql);
    Disk->Attributes = Attributes;
    KeReleaseSpinLock(&Disk->Lock, Irql);
}

static ULONGLONG AttributesOf(DISK *Disk)
{
    ULONGLONG Attributes;
    KIRQL Irql;

    KeAcquireSpinLock(&Disk->Lock, &Irql);
    Attributes = Disk->Attributes;
    KeReleaseSpinLock(&Disk->Lock, Irql);
    return Attributes;
}

VOID AttributesRestore(DISK *Disk)
{
    ULONG Index = RememberedFind(Disk);

    if (Index < RememberedCount) {
        AttributesStore(Disk, Remembered[Index].Attributes);
    }
}

BOOLEAN AttributesReadOnly(DISK *Disk)
{
    return (AttributesOf(Disk) & READ_ONLY) != 0;
}

NTSTATUS AttributesGet(DISK *Disk, PIRP Irp)
{
    GET_ATTRIBUTES *Output = Irp->AssociatedIrp.SystemBuffer;

    Output->Version = sizeof(*Output);
    Output->Reserved1 = 0;
    Output->Attributes = AttributesOf(Disk);
    return DiskComplete(Disk, Irp, STATUS_SUCCESS, sizeof(*Output));
}

NTSTATUS AttributesSet(DISK *Disk, PIRP Irp)
{
    const SET_ATTRIBUTES *Input = Irp->AssociatedIrp.SystemBuffer;
    ULONGLONG Attributes;
    ULONG Index;

    if (Input->Version != sizeof(*Input) || (Input->AttributesMask & ~KNOWN_ATTRIBUTES) != 0) {
        return DiskComplete(Disk, Irp, STATUS_INVALID_PARAMETER, 0);
    }
    Attributes = (AttributesOf(Disk) & ~Input->AttributesMask) | (Input->Attributes & Input->AttributesMask);
    if (Input->Persist) {
        Index = RememberedFind(Disk);
        if (Index == REMEMBERED_MAX) {
            return DiskComplete(Disk, Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
        }
        if (Index == RememberedCount) {
            RtlCopyMemory(Remembered[Index].Identity, Disk->Identity, IDENTITY_BYTES);
            RememberedCount++;
        }
        Remembered[Index].Attributes = Attributes;
    }
    AttributesStore(Disk, Attributes);
    return DiskComplete(Disk, Irp, STATUS_SUCCESS, 0);
}
