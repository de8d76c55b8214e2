/* SPDX-License-Identifier: LGPL-2.1-only */
/* door.h. */
#include "door.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#define WAIT_SECONDS 60
#define UNDER_WAY_MOST 600u

HW_INITIALIZATION_DATA DoorHw;
PVOID DoorExtension;
bool DoorCancelNext;

static pthread_mutex_t DoorLock = PTHREAD_MUTEX_INITIALIZER;
static DOOR_SRB *UnderWay[UNDER_WAY_MOST];
static PVIRTUAL_HW_FIND_ADAPTER RealFind;

ULONG NTAPI __real_StorPortInitialize(PVOID Driver, PVOID RegistryPath, PHW_INITIALIZATION_DATA Data, PVOID Context);
ULONG NTAPI __wrap_StorPortInitialize(PVOID Driver, PVOID RegistryPath, PHW_INITIALIZATION_DATA Data, PVOID Context);
VOID __real_StorPortNotification(SCSI_NOTIFICATION_TYPE Type, PVOID Extension, ...);
VOID __wrap_StorPortNotification(SCSI_NOTIFICATION_TYPE Type, PVOID Extension, ...);
ULONG __real_StorPortExtendedFunction(STORPORT_FUNCTION_CODE Function, PVOID Extension, ...);
ULONG __wrap_StorPortExtendedFunction(STORPORT_FUNCTION_CODE Function, PVOID Extension, ...);

/* ---- What the driver calls ---- */

static ULONG DoorFind(PVOID Extension, PVOID Pdo, PVOID Fdo, PVOID Lower, PCHAR Arguments,
                      PPORT_CONFIGURATION_INFORMATION Configuration, PBOOLEAN Again)
{
    DoorExtension = Extension;
    return RealFind(Extension, Pdo, Fdo, Lower, Arguments, Configuration, Again);
}

static VOID DoorService(PVOID Extension, PVOID Irp)
{
    if (DoorCancelNext) {
        DoorCancelNext = false;
        CHECK(!IoCancelIrp(Irp)); /* nobody waits for it yet */
    }
    DoorHw.HwProcessServiceRequest(Extension, Irp);
}

ULONG NTAPI __wrap_StorPortInitialize(PVOID Driver, PVOID RegistryPath, PHW_INITIALIZATION_DATA Data, PVOID Context)
{
    HW_INITIALIZATION_DATA Copy = *Data;
    DoorHw = *Data;
    RealFind = (PVIRTUAL_HW_FIND_ADAPTER)Data->HwFindAdapter;
    Copy.HwFindAdapter = (PVOID)DoorFind;
    Copy.HwProcessServiceRequest = DoorService;
    return __real_StorPortInitialize(Driver, RegistryPath, &Copy, Context);
}

/* The test's request that this SRB is, NULL for any other; with Take it is under way no more. */
static DOOR_SRB *Find(const void *Srb, bool Take)
{
    DOOR_SRB *Found = NULL;
    pthread_mutex_lock(&DoorLock);
    for (size_t Index = 0; Index < UNDER_WAY_MOST && Found == NULL; Index++) {
        if (UnderWay[Index] != NULL && (const void *)&UnderWay[Index]->Srb == Srb) {
            Found = UnderWay[Index];
            UnderWay[Index] = Take ? NULL : Found;
        }
    }
    pthread_mutex_unlock(&DoorLock);
    return Found;
}

VOID __wrap_StorPortNotification(SCSI_NOTIFICATION_TYPE Type, PVOID Extension, ...)
{
    va_list Arguments;
    va_start(Arguments, Extension);
    PVOID First = va_arg(Arguments, PVOID);
    if (Type == RequestComplete) {
        DOOR_SRB *Srb = Find(First, true);
        if (Srb == NULL) {
            __real_StorPortNotification(Type, Extension, First);
        } else {
            CHECK(NativeLocksHeld() == 0);
            KeSetEvent(&Srb->Completed, IO_NO_INCREMENT, FALSE);
        }
    } else if (Type == RequestTimerCall) {
        __real_StorPortNotification(Type, Extension, First, va_arg(Arguments, ULONG));
    } else {
        __real_StorPortNotification(Type, Extension, First);
    }
    va_end(Arguments);
}

ULONG __wrap_StorPortExtendedFunction(STORPORT_FUNCTION_CODE Function, PVOID Extension, ...)
{
    va_list Arguments;
    ULONG Status;
    va_start(Arguments, Extension);
    PVOID First = va_arg(Arguments, PVOID);
    if (Function == ExtFunctionGetSystemAddress) {
        PVOID *Address = va_arg(Arguments, PVOID *);
        DOOR_SRB *Srb = Find(First, false);
        if (Srb == NULL) {
            Status = __real_StorPortExtendedFunction(Function, Extension, First, Address);
        } else {
            Status = Srb->AddressStatus;
            *Address = Srb->Srb.Classic.Function == SRB_FUNCTION_STORAGE_REQUEST_BLOCK ? Srb->Srb.Extended.DataBuffer
                                                                                       : Srb->Srb.Classic.DataBuffer;
        }
    } else {
        Status = __real_StorPortExtendedFunction(Function, Extension, First);
    }
    va_end(Arguments);
    return Status;
}

/* ---- What a test calls ---- */

static void Clear(DOOR_SRB *Srb)
{
    memset(Srb, 0, sizeof(*Srb));
    KeInitializeEvent(&Srb->Completed, NotificationEvent, FALSE);
}

void DoorClassic(DOOR_SRB *Srb, UCHAR Function, UCHAR Path, UCHAR Target, UCHAR Lun)
{
    SCSI_REQUEST_BLOCK *Classic = &Srb->Srb.Classic;
    Clear(Srb);
    Classic->Length = sizeof(*Classic);
    Classic->Function = Function;
    Classic->PathId = Path;
    Classic->TargetId = Target;
    Classic->Lun = Lun;
    Classic->SrbExtension = Srb->Extension;
    Classic->SenseInfoBuffer = Srb->Sense;
    Classic->SenseInfoBufferLength = sizeof(Srb->Sense);
}

PVOID DoorExtended(DOOR_SRB *Srb, ULONG Function, UCHAR Target, ULONG BlockType)
{
    STORAGE_REQUEST_BLOCK *Extended = &Srb->Srb.Extended;
    Clear(Srb);
    Extended->Length = offsetof(STORAGE_REQUEST_BLOCK, Signature);
    Extended->Function = SRB_FUNCTION_STORAGE_REQUEST_BLOCK;
    Extended->Signature = SRB_SIGNATURE;
    Extended->Version = STORAGE_REQUEST_BLOCK_VERSION_1;
    Extended->SrbLength = sizeof(Srb->Srb.Bytes);
    Extended->SrbFunction = Function;
    Extended->MiniportContext = Srb->Extension;
    Extended->AddressOffset = (ULONG)ALIGN_UP_BY(sizeof(*Extended), 8);
    Extended->NumSrbExData = 1;
    Extended->SrbExDataOffset[0] = Extended->AddressOffset + 16;
    STOR_ADDR_BTL8 *Address = (STOR_ADDR_BTL8 *)(Srb->Srb.Bytes + Extended->AddressOffset);
    Address->Type = STOR_ADDRESS_TYPE_BTL8;
    Address->AddressLength = STOR_ADDR_BTL8_ADDRESS_LENGTH;
    Address->Target = Target;
    SRBEX_DATA *Block = (SRBEX_DATA *)(Srb->Srb.Bytes + Extended->SrbExDataOffset[0]);
    Block->Type = BlockType;
    return Block;
}

void DoorScsi(DOOR_SRB *Srb, bool Extended, UCHAR Target, const UCHAR *Cdb, UCHAR CdbLength, ULONG DirectionFlags,
              void *Data, ULONG Length)
{
    if (Extended) {
        SRBEX_DATA_SCSI_CDB16 *Block = DoorExtended(Srb, SRB_FUNCTION_EXECUTE_SCSI, Target, SrbExDataTypeScsiCdb16);
        Block->Length = SRBEX_DATA_SCSI_CDB16_LENGTH;
        Block->CdbLength = CdbLength;
        Block->SenseInfoBuffer = Srb->Sense;
        Block->SenseInfoBufferLength = sizeof(Srb->Sense);
        memcpy(Block->Cdb, Cdb, CdbLength);
        Srb->Srb.Extended.SrbFlags = DirectionFlags;
        Srb->Srb.Extended.DataBuffer = Data;
        Srb->Srb.Extended.DataTransferLength = Length;
    } else {
        DoorClassic(Srb, SRB_FUNCTION_EXECUTE_SCSI, 0, Target, 0);
        Srb->Srb.Classic.CdbLength = CdbLength;
        memcpy(Srb->Srb.Classic.Cdb, Cdb, CdbLength);
        Srb->Srb.Classic.SrbFlags = DirectionFlags;
        Srb->Srb.Classic.DataBuffer = Data;
        Srb->Srb.Classic.DataTransferLength = Length;
    }
}

void DoorBegin(DOOR_SRB *Srb)
{
    size_t Index = 0;
    pthread_mutex_lock(&DoorLock);
    while (Index < UNDER_WAY_MOST && UnderWay[Index] != NULL) {
        Index++;
    }
    CHECK(Index < UNDER_WAY_MOST);
    UnderWay[Index] = Srb;
    pthread_mutex_unlock(&DoorLock);
    CHECK(DoorHw.HwStartIo(DoorExtension, &Srb->Srb.Classic));
}

UCHAR DoorWait(DOOR_SRB *Srb)
{
    LARGE_INTEGER Timeout = {.QuadPart = -(LONGLONG)WAIT_SECONDS * 10 * 1000 * 1000};
    CHECK(KeWaitForSingleObject(&Srb->Completed, Executive, KernelMode, FALSE, &Timeout) == STATUS_SUCCESS);
    return Srb->Srb.Classic.SrbStatus & 0x3F; /* at the same place in both kinds */
}

UCHAR DoorSend(DOOR_SRB *Srb)
{
    DoorBegin(Srb);
    return DoorWait(Srb);
}
