/* SPDX-License-Identifier: LGPL-2.1-only */
/* The faults of the RAM disk miniport: RamFault names the one rule that it breaks. */
#include "ramdisk_driver.h"
#include "wsk.h"

#define MARK_INQUIRED 1u
#define MARK_DONE 2u

VOID RamFaultInRegistration(HW_INITIALIZATION_DATA *Data)
{
    if (RamIsFaulty(NULL, "INIT_SIZE"))
        Data->HwInitializationDataSize = sizeof(*Data) + 8;
    if (RamIsFaulty(NULL, "INIT_CALLBACKS"))
        Data->HwResetBus = NULL;
    if (RamIsFaulty(NULL, "INIT_VIRTUAL"))
        Data->FeatureSupport = STOR_FEATURE_FULL_PNP_DEVICE_CAPABILITIES;
    if (RamIsFaulty(NULL, "INIT_FIELDS"))
        Data->Reserved1 = 1;
    if (RamIsFaulty(NULL, "INIT_SRB_TYPE"))
        Data->SrbTypeFlags = 0;
    if (RamIsFaulty(NULL, "FIND_SRB_TYPE"))
        Data->SrbTypeFlags = SRB_TYPE_FLAG_SCSI_REQUEST_BLOCK;
}

static BOOLEAN NothingPassive(PVOID DeviceExtension)
{
    UNREFERENCED_PARAMETER(DeviceExtension);
    return TRUE;
}

ULONG RamFaultInFindAdapter(RAM *Ram, PORT_CONFIGURATION_INFORMATION *Config)
{
    if (RamIsFaulty(Ram, "FIND_RESULT"))
        return 7;
    if (RamIsFaulty(Ram, "FIND_VIRTUAL_DEVICE"))
        Config->VirtualDevice = FALSE;
    if (RamIsFaulty(Ram, "FIND_LIMITS"))
        Config->MaximumTransferLength = SP_UNINITIALIZED_VALUE;
    if (RamIsFaulty(Ram, "FIND_BREAKS"))
        Config->NumberOfPhysicalBreaks = 0x11;
    if (RamIsFaulty(Ram, "FIND_PRESET"))
        Config->WmiDataProvider = FALSE;
    if (RamIsFaulty(Ram, "FIND_BUSES"))
        Config->NumberOfBuses = 0;
    if (RamIsFaulty(Ram, "FIND_DUPLEX"))
        Config->SynchronizationModel = StorSynchronizeHalfDuplex;
    if (RamIsFaulty(Ram, "FIND_MAX_IO"))
        Config->MaxNumberOfIO = 2000;
    if (RamIsFaulty(Ram, "FIND_LUN_IO"))
        Config->MaxIOsPerLun = 300;
    if (RamIsFaulty(Ram, "FIND_SRB_TYPE"))
        Config->SrbType = SRB_TYPE_STORAGE_REQUEST_BLOCK;
    if (RamIsFaulty(Ram, "PASSIVE_PLACE"))
        StorPortEnablePassiveInitialization(Ram, NothingPassive);
    return SP_RETURN_FOUND;
}

VOID RamFaultInHwInitialize(RAM *Ram)
{
    KIRQL Irql;

    if (RamIsFaulty(Ram, "CALLBACK_IRQL"))
        KeAcquireSpinLock(&Ram->Lock, &Irql);
    if (RamIsFaulty(Ram, "NOTIFY_TYPE"))
        StorPortNotification(NextRequest, Ram);
    if (RamIsFaulty(Ram, "EXTENSION_FOREIGN"))
        StorPortNotification(BusChangeDetected, &Ram->State, 0);
    if (RamIsFaulty(Ram, "FORBIDDEN_CALL"))
        StorPortCompleteRequest(Ram, 0, 0, 0, SRB_STATUS_BUS_RESET);
}

VOID RamFaultInControlTypes(SCSI_SUPPORTED_CONTROL_TYPE_LIST *List)
{
    if (RamIsFaulty(NULL, "CONTROL_TYPES"))
        List->SupportedTypeList[List->MaxControlType] = TRUE;
}

VOID RamFaultInInquiry(RAM *Ram, const UCHAR *Cdb, PUCHAR Data)
{
    if (RamIsFaulty(Ram, "INQUIRY_DATA") && Cdb[1] == 1 && Cdb[2] == 0x83)
        Data[1] = 0x80;
    if (RamIsFaulty(Ram, "UNIT_REUSED") && Cdb[1] == 1 && Cdb[2] == 0x80) {
        if ((Ram->Marks & MARK_INQUIRED) != 0)
            Data[4] = 'X';
        Ram->Marks |= MARK_INQUIRED;
        StorPortNotification(BusChangeDetected, Ram, 0);
    }
}

VOID RamFaultInReportLuns(RAM *Ram, PUCHAR Data, ULONG *Length)
{
    if (RamIsFaulty(Ram, "REPORT_LUNS")) {
        Data[3] = 7;
        *Length = 15;
    }
}

/* A standard INQUIRY, which every scan sends: where most faults show. */
static BOOLEAN IsInquiry(PVOID Srb)
{
    return RamFunction(Srb) == SRB_FUNCTION_EXECUTE_SCSI && RamCdb(Srb)[0] == 0x12 && RamCdb(Srb)[1] == 0;
}

BOOLEAN RamFaultInStartIo(RAM *Ram, PVOID Srb)
{
    static UCHAR Unknown[0x100];

    if (RamFault[0] == 0 || !Ram->Initialised)
        return FALSE;
    if (RamIsFaulty(Ram, "FUNCTION_UNKNOWN") && RamFunction(Srb) > SRB_FUNCTION_STORAGE_REQUEST_BLOCK) {
        RamComplete(Ram, Srb, SRB_STATUS_SUCCESS, SCSISTAT_GOOD, 0);
        return TRUE;
    }
    if (!IsInquiry(Srb))
        return FALSE;
    if (RamIsFaulty(Ram, "COMPLETE_UNKNOWN"))
        StorPortNotification(RequestComplete, Ram, Unknown);
    if (RamIsFaulty(Ram, "DEPTH_EARLY"))
        StorPortSetDeviceQueueDepth(Ram, 0, RamTarget(Srb), 0, 0);
    if (RamIsFaulty(Ram, "ATTRIBUTES_PLACE")) {
        STOR_ADDR_BTL8 Address = {STOR_ADDRESS_TYPE_BTL8, 0, STOR_ADDR_BTL8_ADDRESS_LENGTH, 0, 3, 0, 0};
        STOR_UNIT_ATTRIBUTES Attributes = {0};

        StorPortSetUnitAttributes(Ram, (PSTOR_ADDRESS)&Address, Attributes);
    }
    if (RamIsFaulty(Ram, "COMPLETE_REFUSED")) {
        RamComplete(Ram, Srb, SRB_STATUS_NO_DEVICE, SCSISTAT_GOOD, 0);
        return TRUE;
    }
    return FALSE;
}

VOID RamFaultAtCompletion(RAM *Ram, PVOID Srb)
{
    UCHAR Room = 0;

    if (RamFault[0] == 0 || !Ram->Initialised || !IsInquiry(Srb))
        return;
    if (RamIsFaulty(Ram, "COMPLETE_PENDING"))
        RamSetResult(Srb, SRB_STATUS_PENDING, SCSISTAT_GOOD, 0);
    if (RamIsFaulty(Ram, "COMPLETE_FROZEN"))
        RamSetResult(Srb, SRB_STATUS_SUCCESS | SRB_STATUS_QUEUE_FROZEN, SCSISTAT_GOOD, 36);
    if (RamIsFaulty(Ram, "DATA_GROWN"))
        RamSetResult(Srb, SRB_STATUS_SUCCESS, SCSISTAT_GOOD, RamDataLength(Srb) + 4096);
    if (RamIsFaulty(Ram, "DATA_BUSY"))
        RamSetResult(Srb, SRB_STATUS_BUSY, SCSISTAT_GOOD, 0);
    if (RamIsFaulty(Ram, "SCSI_STATUS"))
        RamSetResult(Srb, SRB_STATUS_SUCCESS, SCSISTAT_BUSY, 36);
    if (RamIsFaulty(Ram, "SENSE_MISSING"))
        RamSetResult(Srb, SRB_STATUS_ERROR, SCSISTAT_CHECK_CONDITION, 0);
    if (RamIsFaulty(Ram, "SENSE_STATUS")) {
        PUCHAR Sense = RamSense(Srb, &Room);

        RtlZeroMemory(Sense, 18);
        Sense[0] = 0x70;
        RamSetSenseLength(Srb, 18);
        RamSetResult(Srb, SRB_STATUS_ERROR | SRB_STATUS_AUTOSENSE_VALID, SCSISTAT_GOOD, 0);
    }
    if (RamIsFaulty(Ram, "SRB_FIELDS"))
        RamSetFlags(Srb, RamFlags(Srb) | SRB_FLAGS_IS_ACTIVE);
    if (RamIsFaulty(Ram, "SRB_OVERRUN"))
        RamExtension(Srb)[24] = 0;
    if (RamIsFaulty(Ram, "DATA_OVERRUN"))
        ((PUCHAR)RamDataBuffer(Srb))[96] = 0;
}

VOID RamFaultAfterCompletion(RAM *Ram, PVOID Srb)
{
    if (RamFault[0] == 0 || !Ram->Initialised || (Ram->Marks & MARK_DONE) != 0)
        return;
    if (RamIsFaulty(Ram, "COMPLETE_TWICE")) {
        Ram->Marks |= MARK_DONE;
        StorPortNotification(RequestComplete, Ram, Srb);
    }
    if (RamIsFaulty(Ram, "SRB_AFTER")) {
        Ram->Marks |= MARK_DONE;
        ((SCSI_REQUEST_BLOCK *)Srb)->SrbStatus = SRB_STATUS_SUCCESS;
    }
}

static VOID NeverDue(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1, PVOID SystemArgument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(DeferredContext);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
}

static VOID NeverCalled(PVOID DeviceExtension)
{
    UNREFERENCED_PARAMETER(DeviceExtension);
}

static VOID NTAPI NeverEnds(PVOID Context)
{
    KeWaitForSingleObject(Context, Executive, KernelMode, FALSE, NULL);
}

/* Handles, device objects, threads. */
static VOID LeaveObjects(const RAM *Ram)
{
    UNICODE_STRING Name =
        RTL_CONSTANT_STRING(L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\ramdisk\\Parameters");
    OBJECT_ATTRIBUTES Attributes;
    static KEVENT Never;
    PDEVICE_OBJECT Device;
    HANDLE Handle;

    if (RamIsFaulty(Ram, "LEAK_HANDLE")) {
        InitializeObjectAttributes(&Attributes, &Name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
        ZwOpenKey(&Handle, KEY_READ, &Attributes);
    }
    if (RamIsFaulty(Ram, "LEAK_DEVICE"))
        IoCreateDevice(Ram->Fdo->DriverObject, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device);
    if (RamIsFaulty(Ram, "LEAK_THREAD")) {
        KeInitializeEvent(&Never, NotificationEvent, FALSE);
        if (NT_SUCCESS(PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, NeverEnds, &Never)))
            ZwClose(Handle);
    }
}

/* Leaves something behind. */
VOID RamFaultAtTheEnd(RAM *Ram)
{
    static const WSK_CLIENT_DISPATCH Dispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
    static WSK_CLIENT_NPI Client = {NULL, &Dispatch};
    static WSK_REGISTRATION Registration;
    static UCHAR Memory[16];
    static KTIMER Timer;
    static KDPC Dpc;
    LARGE_INTEGER Due;

    LeaveObjects(Ram);
    if (RamIsFaulty(Ram, "TIMER_LEFT"))
        StorPortNotification(RequestTimerCall, Ram, NeverCalled, 1000000000);
    if (RamIsFaulty(Ram, "LEAK_IRP"))
        IoAllocateIrp(1, FALSE);
    if (RamIsFaulty(Ram, "LEAK_MDL"))
        IoAllocateMdl(Memory, sizeof(Memory), FALSE, FALSE, NULL);
    if (RamIsFaulty(Ram, "LEAK_WORK_ITEM"))
        IoAllocateWorkItem(Ram->Fdo);
    if (RamIsFaulty(Ram, "LEAK_WSK"))
        WskRegister(&Client, &Registration);
    if (RamIsFaulty(Ram, "LEAK_DPC")) {
        Due.QuadPart = -100000000000ll;
        KeInitializeDpc(&Dpc, NeverDue, NULL);
        KeInitializeTimer(&Timer);
        KeSetTimer(&Timer, Due, &Dpc);
    }
}

BOOLEAN RamFaultInService(RAM *Ram, PIRP Irp)
{
    if (RamIsFaulty(Ram, "SERVICE_STATUS")) {
        Irp->IoStatus.Status = STATUS_SUCCESS;
        Irp->IoStatus.Information =
            IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.OutputBufferLength + 1;
        StorPortCompleteServiceIrp(Ram, Irp);
        return TRUE;
    }
    if (RamIsFaulty(Ram, "SERVICE_TWICE")) {
        Irp->IoStatus.Status = STATUS_SUCCESS;
        Irp->IoStatus.Information = 0;
        StorPortCompleteServiceIrp(Ram, Irp);
        StorPortCompleteServiceIrp(Ram, Irp);
        return TRUE;
    }
    if (RamIsFaulty(Ram, "SERVICE_CANCEL")) {
        IoSetCancelRoutine(Irp, (PDRIVER_CANCEL)(ULONG_PTR)RamFaultInService);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        Irp->IoStatus.Information = 0;
        StorPortCompleteServiceIrp(Ram, Irp);
        return TRUE;
    }
    return FALSE;
}
