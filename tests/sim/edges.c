/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the port driver of the test bed never does and another may: SRBs of
 * either kind with things missing, addresses of no disk, more requests than a
 * unit takes, no way to their memory, control types and PnP actions that the
 * driver doesn't know. Each is refused as the WDK asks, and the disk goes on.
 */
#include "door.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH WNBD_DEFAULT_MAX_IO_REQ_PER_LUN
#define PLACES (2u * DEPTH) /* requests that the driver takes before it says "busy" */
#define TYPES_MOST 32u

static BED Bed;
static DISK Disk;
static SERVER Server;

static const UCHAR Inquiry[6] = {0x12, 0, 0, 0, 36, 0};
static const UCHAR Capacity10[10] = {0x25};

/* The disk still reads. */
static void CheckDisk(void)
{
    UCHAR Cdb[16], Data[512];
    DiskCdb16(Cdb, 0x88, 0, 1, false);
    CHECK(DiskCommand(&Disk, Cdb, 16, SRB_FLAGS_DATA_IN, Data, sizeof(Data), NULL) == SRB_STATUS_SUCCESS);
}

static void TestCdbs(void)
{
    DOOR_SRB Srb;
    UCHAR Data[64];
    memset(Data, 0xCC, sizeof(Data));
    for (int Extended = 0; Extended < 2; Extended++) {
        DoorScsi(&Srb, Extended, 0, Inquiry, sizeof(Inquiry), SRB_FLAGS_DATA_IN, Data, sizeof(Data));
        CHECK(DoorSend(&Srb) == SRB_STATUS_SUCCESS);
        DoorScsi(&Srb, Extended, 0, Capacity10, sizeof(Capacity10), SRB_FLAGS_DATA_IN, Data, 8);
        CHECK(DoorSend(&Srb) == SRB_STATUS_SUCCESS);
        /* No CDB. */
        DoorScsi(&Srb, Extended, 0, Inquiry, 0, SRB_FLAGS_DATA_IN, Data, sizeof(Data));
        CHECK(DoorSend(&Srb) == SRB_STATUS_INVALID_REQUEST);
    }
    CHECK(Srb.Srb.Extended.DataTransferLength == 0);
    /* Longer than its place. */
    DoorScsi(&Srb, false, 0, Inquiry, sizeof(Inquiry), SRB_FLAGS_DATA_IN, Data, sizeof(Data));
    Srb.Srb.Classic.CdbLength = 17;
    CHECK(DoorSend(&Srb) == SRB_STATUS_INVALID_REQUEST && Srb.Srb.Classic.DataTransferLength == 0);
    DoorScsi(&Srb, true, 0, Inquiry, sizeof(Inquiry), SRB_FLAGS_DATA_IN, Data, sizeof(Data));
    ((SRBEX_DATA_SCSI_CDB16 *)(Srb.Srb.Bytes + Srb.Srb.Extended.SrbExDataOffset[0]))->CdbLength = 17;
    CHECK(DoorSend(&Srb) == SRB_STATUS_INVALID_REQUEST);
    /* In the longer block, whose 32 bytes no command of a disk fills. */
    SRBEX_DATA_SCSI_CDB16 *Block = DoorExtended(&Srb, SRB_FUNCTION_EXECUTE_SCSI, 0, SrbExDataTypeScsiCdb32);
    Block->CdbLength = sizeof(Inquiry);
    memcpy(Block->Cdb, Inquiry, sizeof(Inquiry));
    Srb.Srb.Extended.DataBuffer = Data;
    Srb.Srb.Extended.DataTransferLength = sizeof(Data);
    CHECK(DoorSend(&Srb) == SRB_STATUS_SUCCESS);
}

static void TestBlocks(void)
{
    DOOR_SRB Srb;
    /* A block of another kind; no block; blocks that begin before or end behind the SRB. */
    DoorExtended(&Srb, SRB_FUNCTION_EXECUTE_SCSI, 0, SrbExDataTypePnP);
    CHECK(DoorSend(&Srb) == SRB_STATUS_INVALID_REQUEST);
    DoorExtended(&Srb, SRB_FUNCTION_EXECUTE_SCSI, 0, SrbExDataTypeScsiCdb16);
    Srb.Srb.Extended.NumSrbExData = 0;
    CHECK(DoorSend(&Srb) == SRB_STATUS_INVALID_REQUEST);
    DoorExtended(&Srb, SRB_FUNCTION_EXECUTE_SCSI, 0, SrbExDataTypeScsiCdb16);
    Srb.Srb.Extended.SrbExDataOffset[0] = 8;
    CHECK(DoorSend(&Srb) == SRB_STATUS_INVALID_REQUEST);
    DoorExtended(&Srb, SRB_FUNCTION_EXECUTE_SCSI, 0, SrbExDataTypeScsiCdb16);
    Srb.Srb.Extended.SrbExDataOffset[0] = Srb.Srb.Extended.SrbLength - 4;
    CHECK(DoorSend(&Srb) == SRB_STATUS_INVALID_REQUEST);
}

static void TestAddresses(void)
{
    static const UCHAR Nowhere[][3] = {{1, 0, 0}, {0, 1, 0}, {0, 255, 0}, {0, 0, 1}};
    DOOR_SRB Srb;
    UCHAR Data[36];
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Nowhere); Index++) {
        const UCHAR *Address = Nowhere[Index];
        DoorScsi(&Srb, false, 0, Inquiry, sizeof(Inquiry), SRB_FLAGS_DATA_IN, Data, sizeof(Data));
        Srb.Srb.Classic.PathId = Address[0];
        Srb.Srb.Classic.TargetId = Address[1];
        Srb.Srb.Classic.Lun = Address[2];
        CHECK(DoorSend(&Srb) == SRB_STATUS_NO_DEVICE && Srb.Srb.Classic.DataTransferLength == 0);
        /* Nothing is left there to give back. */
        DoorClassic(&Srb, SRB_FUNCTION_RESET_LOGICAL_UNIT, Address[0], Address[1], Address[2]);
        CHECK(DoorSend(&Srb) == SRB_STATUS_SUCCESS);
        DoorClassic(&Srb, SRB_FUNCTION_RESET_DEVICE, Address[0], Address[1], Address[2]);
        CHECK(DoorSend(&Srb) == SRB_STATUS_SUCCESS);
    }
    DoorClassic(&Srb, SRB_FUNCTION_RESET_BUS, 0, 0, 0);
    CHECK(DoorSend(&Srb) == SRB_STATUS_SUCCESS);
    CHECK(DoorHw.HwResetBus(DoorExtension, 0));
}

static void TestFunctions(void)
{
    static const UCHAR Done[] = {SRB_FUNCTION_FLUSH, SRB_FUNCTION_SHUTDOWN, SRB_FUNCTION_POWER};
    static const UCHAR Unknown[] = {SRB_FUNCTION_IO_CONTROL, SRB_FUNCTION_CLAIM_DEVICE, 0x77};
    DOOR_SRB Srb;
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Done); Index++) {
        DoorClassic(&Srb, Done[Index], 0, 0, 0);
        CHECK(DoorSend(&Srb) == SRB_STATUS_SUCCESS);
        DoorExtended(&Srb, Done[Index], 0, SrbExDataTypePower);
        CHECK(DoorSend(&Srb) == SRB_STATUS_SUCCESS);
    }
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Unknown); Index++) {
        DoorClassic(&Srb, Unknown[Index], 0, 0, 0);
        CHECK(DoorSend(&Srb) == SRB_STATUS_INVALID_REQUEST);
    }
}

static UCHAR SendPnp(STOR_PNP_ACTION Action, ULONG Flags, UCHAR Target, void *Data, ULONG Length)
{
    DOOR_SRB Srb;
    SRBEX_DATA_PNP *Pnp = DoorExtended(&Srb, SRB_FUNCTION_PNP, Target, SrbExDataTypePnP);
    Pnp->Length = SRBEX_DATA_PNP_LENGTH;
    Pnp->PnPAction = Action;
    Pnp->SrbPnPFlags = Flags;
    Srb.Srb.Extended.DataBuffer = Data;
    Srb.Srb.Extended.DataTransferLength = Length;
    return DoorSend(&Srb);
}

static void TestPnp(void)
{
    STOR_DEVICE_CAPABILITIES_EX Capabilities;
    const ULONG ForAdapter = SRB_PNP_FLAGS_ADAPTER_REQUEST;
    DOOR_SRB Srb;
    memset(&Capabilities, 0xCC, sizeof(Capabilities));
    CHECK(SendPnp(StorQueryCapabilities, 0, 0, &Capabilities, sizeof(Capabilities) - 1) == SRB_STATUS_DATA_OVERRUN);
    CHECK(SendPnp(StorQueryCapabilities, 0, 0, NULL, sizeof(Capabilities)) == SRB_STATUS_DATA_OVERRUN);
    CHECK(SendPnp(StorQueryCapabilities, ForAdapter, 0, &Capabilities, sizeof(Capabilities)) ==
          SRB_STATUS_INVALID_REQUEST);
    CHECK(((UCHAR *)&Capabilities)[0] == 0xCC);
    CHECK(SendPnp(StorQueryCapabilities, 0, 0, &Capabilities, sizeof(Capabilities)) == SRB_STATUS_SUCCESS);
    CHECK(Capabilities.SurpriseRemovalOK && Capabilities.Removable);
    CHECK(SendPnp(StorStopDevice, 0, 0, NULL, 0) == SRB_STATUS_SUCCESS);
    CHECK(SendPnp(StorRemoveDevice, ForAdapter, 0, NULL, 0) == SRB_STATUS_SUCCESS);
    CHECK(SendPnp(StorSurpriseRemoval, ForAdapter, 0, NULL, 0) == SRB_STATUS_SUCCESS);
    CHECK(SendPnp(StorQueryResourceRequirements, 0, 0, NULL, 0) == SRB_STATUS_INVALID_REQUEST);
    /* An address of no target changes nothing. */
    CHECK(SendPnp(StorRemoveDevice, 0, 255, NULL, 0) == SRB_STATUS_SUCCESS);
    /* The block is missing. */
    DoorExtended(&Srb, SRB_FUNCTION_PNP, 0, SrbExDataTypeScsiCdb16);
    CHECK(DoorSend(&Srb) == SRB_STATUS_INVALID_REQUEST);
    /* The classic kind. */
    DoorClassic(&Srb, SRB_FUNCTION_PNP, 0, 0, 0);
    Srb.Srb.ClassicPnp.PnPAction = StorQueryCapabilities;
    Srb.Srb.ClassicPnp.DataBuffer = &Capabilities;
    Srb.Srb.ClassicPnp.DataTransferLength = sizeof(Capabilities);
    CHECK(DoorSend(&Srb) == SRB_STATUS_SUCCESS);
}

static void TestControls(void)
{
    struct {
        SCSI_SUPPORTED_CONTROL_TYPE_LIST List;
        BOOLEAN Rest[TYPES_MOST];
    } Types;
    for (ULONG Room = 0; Room < TYPES_MOST; Room++) {
        memset(&Types, 0, sizeof(Types));
        Types.List.MaxControlType = Room;
        BOOLEAN *Entries = Types.List.SupportedTypeList;
        CHECK(DoorHw.HwAdapterControl(DoorExtension, ScsiQuerySupportedControlTypes, &Types) ==
              ScsiAdapterControlSuccess);
        for (ULONG Type = 0; Type < TYPES_MOST; Type++) {
            BOOLEAN Known =
                Type == ScsiQuerySupportedControlTypes || Type == ScsiStopAdapter || Type == ScsiRestartAdapter;
            CHECK(Entries[Type] == (Known && Type < Room));
        }
        memset(&Types.List.SupportedTypeList, 0, TYPES_MOST);
        CHECK(DoorHw.HwUnitControl(DoorExtension, ScsiQuerySupportedUnitControlTypes, &Types) ==
              ScsiUnitControlSuccess);
        for (ULONG Type = 0; Type < TYPES_MOST; Type++) {
            CHECK(Entries[Type] == (Type == ScsiUnitRemove && Type < Room));
        }
    }
    CHECK(DoorHw.HwAdapterControl(DoorExtension, ScsiSetBootConfig, NULL) == ScsiAdapterControlUnsuccessful);
    CHECK(DoorHw.HwUnitControl(DoorExtension, ScsiUnitStart, NULL) == ScsiUnitControlUnsuccessful);
}

/* HwFindAdapter for a crash dump, and the end of an adapter that was never found. */
static void TestFind(void)
{
    PORT_CONFIGURATION_INFORMATION Configuration;
    BOOLEAN Again = TRUE;
    UCHAR *Blank = calloc(1, DoorHw.DeviceExtensionSize);
    CHECK(Blank != NULL);
    memset(&Configuration, 0, sizeof(Configuration));
    PVIRTUAL_HW_FIND_ADAPTER Find = (PVIRTUAL_HW_FIND_ADAPTER)DoorHw.HwFindAdapter;
    CHECK(Find(Blank, NULL, NULL, NULL, "dump=1;", &Configuration, &Again) == SP_RETURN_NOT_FOUND && !Again);
    DoorHw.HwFreeAdapterResources(Blank);
    free(Blank);
}

static void TestNothingToDo(void)
{
    static const UCHAR Unmap[10] = {0x42, 0, 0, 0, 0, 0, 0, 0, 8};
    DOOR_SRB Srb;
    UCHAR Cdb[16], List[8] = {0, 6};
    DiskCdb16(Cdb, 0x88, 0, 0, false);
    DoorScsi(&Srb, true, 0, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, NULL, 0);
    CHECK(DoorSend(&Srb) == SRB_STATUS_SUCCESS);
    DiskCdb16(Cdb, 0x8A, 0, 0, true);
    DoorScsi(&Srb, false, 0, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_OUT, NULL, 0);
    CHECK(DoorSend(&Srb) == SRB_STATUS_SUCCESS);
    DoorScsi(&Srb, true, 0, Unmap, sizeof(Unmap), SRB_FLAGS_DATA_OUT, List, sizeof(List));
    CHECK(DoorSend(&Srb) == SRB_STATUS_SUCCESS);
}

/* Less is moved than the SRB has room for: its length says how much. */
static void TestLongBuffer(void)
{
    DOOR_SRB Srb;
    UCHAR Cdb[16], Data[1024];
    DiskCdb16(Cdb, 0x88, 0, 1, false);
    memset(Data, 0xCC, sizeof(Data));
    DoorScsi(&Srb, true, 0, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, Data, sizeof(Data));
    CHECK(DoorSend(&Srb) == SRB_STATUS_SUCCESS && Srb.Srb.Extended.DataTransferLength == 512);
    CHECK(Data[511] == 0 && Data[512] == 0xCC);
}

static void TestNoAddress(void)
{
    DOOR_SRB Srb;
    UCHAR Cdb[16], Data[512];
    DiskCdb16(Cdb, 0x88, 0, 1, false);
    for (int Extended = 0; Extended < 2; Extended++) {
        DoorScsi(&Srb, Extended, 0, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, Data, sizeof(Data));
        Srb.AddressStatus = STOR_STATUS_INSUFFICIENT_RESOURCES;
        /* May be tried again: the length stays (WDK, SCSI_REQUEST_BLOCK, DataTransferLength). */
        CHECK(DoorSend(&Srb) == SRB_STATUS_BUSY);
        CHECK((Extended ? Srb.Srb.Extended.DataTransferLength : Srb.Srb.Classic.DataTransferLength) == sizeof(Data));
        DoorScsi(&Srb, Extended, 0, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, Data, sizeof(Data));
        Srb.AddressStatus = STOR_STATUS_INVALID_PARAMETER;
        CHECK(DoorSend(&Srb) == SRB_STATUS_INVALID_REQUEST);
        CHECK((Extended ? Srb.Srb.Extended.DataTransferLength : Srb.Srb.Classic.DataTransferLength) == 0);
    }
}

static void TestSense(void)
{
    DOOR_SRB Srb;
    const UCHAR Unknown[6] = {0xEE};
    DoorScsi(&Srb, false, 0, Unknown, sizeof(Unknown), 0, NULL, 0);
    CHECK(DoorSend(&Srb) == SRB_STATUS_ERROR && (Srb.Srb.Classic.SrbStatus & SRB_STATUS_AUTOSENSE_VALID) != 0);
    CHECK(Srb.Sense[0] == 0x70 && Srb.Sense[2] == 0x05);
    for (int Case = 0; Case < 3; Case++) {
        DoorScsi(&Srb, false, 0, Unknown, sizeof(Unknown), Case == 0 ? SRB_FLAGS_DISABLE_AUTOSENSE : 0, NULL, 0);
        Srb.Srb.Classic.SenseInfoBuffer = Case == 1 ? NULL : Srb.Sense;
        Srb.Srb.Classic.SenseInfoBufferLength = Case == 2 ? 0 : sizeof(Srb.Sense);
        CHECK(DoorSend(&Srb) == SRB_STATUS_ERROR && (Srb.Srb.Classic.SrbStatus & SRB_STATUS_AUTOSENSE_VALID) == 0);
        CHECK(Srb.Srb.Classic.ScsiStatus == 0x02 && Srb.Sense[0] == 0);
    }
}

/* Until the server has as many requests as it can get. */
static void WaitSent(void)
{
    WNBD_IOCTL_STATS_COMMAND Command = {.IoControlCode = IOCTL_WNBD_STATS, .InstanceName = "disk"};
    WNBD_DRV_STATS Stats;
    do {
        CHECK(NativeIoctl(Bed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Stats, sizeof(Stats), NULL) ==
              STATUS_SUCCESS);
    } while (Stats.PendingSubmittedIORequests != DEPTH);
}

/* As many as a unit takes, and one more; then all are given back, and the server owes as many answers still. */
static void TestFull(void)
{
    static DOOR_SRB Requests[PLACES], More;
    static UCHAR Data[PLACES + 1][512];
    UCHAR Cdb[16];
    DiskCdb16(Cdb, 0x88, 0, 1, false);
    ServerPause(&Server);
    for (ULONG Index = 0; Index < PLACES; Index++) {
        DoorScsi(&Requests[Index], Index % 2 == 0, 0, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, Data[Index], 512);
        DoorBegin(&Requests[Index]);
    }
    for (int Extended = 0; Extended < 2; Extended++) {
        DoorScsi(&More, Extended, 0, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, Data[PLACES], 512);
        CHECK(DoorSend(&More) == SRB_STATUS_BUSY);
        CHECK((Extended ? More.Srb.Extended.DataTransferLength : More.Srb.Classic.DataTransferLength) == 512);
    }
    WaitSent();
    DoorClassic(&More, SRB_FUNCTION_RESET_LOGICAL_UNIT, 0, 0, 0);
    CHECK(DoorSend(&More) == SRB_STATUS_SUCCESS);
    for (ULONG Index = 0; Index < PLACES; Index++) {
        CHECK(DoorWait(&Requests[Index]) == SRB_STATUS_BUS_RESET);
    }
    DoorScsi(&More, true, 0, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, Data[PLACES], 512);
    CHECK(DoorSend(&More) == SRB_STATUS_BUSY);
    ServerResume(&Server);
    /* Until the answers have come. */
    UCHAR Status;
    do {
        DoorScsi(&More, true, 0, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, Data[PLACES], 512);
        Status = DoorSend(&More);
    } while (Status == SRB_STATUS_BUSY);
    CHECK(Status == SRB_STATUS_SUCCESS);
}

/* Cancelled before the driver has it: no disk is made, and the name is free. */
static void TestCancelled(void)
{
    WNBD_PROPERTIES Properties;
    WNBD_CREATE_RESULT Result;
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    BedProperties(&Properties, "other", Server.Port);
    Command.Properties = Properties;
    for (int Round = 0; Round < 20; Round++) {
        DoorCancelNext = true;
        CHECK(NativeIoctl(Bed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Result, sizeof(Result),
                          NULL) == STATUS_CANCELLED);
        CHECK(BedUnmap(&Bed, "other") == STATUS_OBJECT_NAME_NOT_FOUND);
    }
    CHECK(BedMap(&Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    CHECK(NativeChildWait(Bed.Adapter, 2, 20000));
    CHECK(BedUnmap(&Bed, "other") == STATUS_SUCCESS);
    CHECK(NativeChildWait(Bed.Adapter, 1, 20000));
}

int main(int Count, char **Arguments)
{
    static const char *const Memory[] = {"memory", "1M", NULL};
    static const struct {
        const char *Name;
        void (*Run)(void);
    } Tests[] = {
        {"CDBs", TestCdbs},
        {"blocks of extended SRBs", TestBlocks},
        {"addresses of no disk", TestAddresses},
        {"functions", TestFunctions},
        {"PnP actions", TestPnp},
        {"control types", TestControls},
        {"an adapter for a crash dump", TestFind},
        {"nothing to do", TestNothingToDo},
        {"a buffer longer than the transfer", TestLongBuffer},
        {"no way to the memory", TestNoAddress},
        {"no place for sense", TestSense},
        {"a full unit", TestFull},
        {"a command cancelled early", TestCancelled},
    };
    ServerStart(&Server, Memory);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1});
    BedMapDisk(&Bed, &Disk, Server.Port);
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Tests); Index++) {
        printf("%s\n", Tests[Index].Name);
        fflush(stdout);
        Tests[Index].Run();
        CheckDisk();
    }
    BedUnmapDisk(&Bed, &Disk);
    BedStop(&Bed);
    ServerStop(&Server);
    printf("ok\n");
    return 0;
}
