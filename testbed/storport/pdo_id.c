/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The names by which PnP knows a unit, made from its INQUIRY data as "Identifiers for SCSI Devices" describes: vendor
 * 8, product 16 and revision 4 characters, with everything that an identifier can't hold replaced by an underscore.
 */
#include "port.h"

#define ID_CHARACTERS 512u

typedef struct {
    PWSTR Text;
    ULONG Length; /* characters, without a terminator */
} ID;

static VOID Put(ID *Id, WCHAR Character)
{
    if (Id->Length + 1 < ID_CHARACTERS)
        Id->Text[Id->Length++] = Character;
}

static VOID PutText(ID *Id, PCSTR Text)
{
    while (*Text != 0)
        Put(Id, (WCHAR)*Text++);
}

static VOID PutHex(ID *Id, ULONG Value, ULONG Digits)
{
    while (Digits-- != 0)
        Put(Id, (WCHAR) "0123456789abcdef"[(Value >> (Digits * 4)) & 15]);
}

static VOID PutNumber(ID *Id, ULONG Value)
{
    if (Value >= 10)
        PutNumber(Id, Value / 10);
    Put(Id, (WCHAR)('0' + Value % 10));
}

static WCHAR Legal(UCHAR Character)
{
    return Character <= ' ' || Character > 0x7F || Character == ',' ? '_' : (WCHAR)Character;
}

/* A field in its full width. */
static VOID PutField(ID *Id, const UCHAR *Field, ULONG Length)
{
    ULONG i;

    for (i = 0; i < Length; ++i)
        Put(Id, Legal(Field[i]));
}

/* A field without the spaces at its end. */
static VOID PutTrimmed(ID *Id, const UCHAR *Field, ULONG Length)
{
    while (Length != 0 && (Field[Length - 1] == ' ' || Field[Length - 1] == 0))
        --Length;
    PutField(Id, Field, Length);
}

static PCSTR TypeName(const UNIT *Unit)
{
    switch (Unit->Inquiry[0] & 0x1F) {
    case 0x00:
        return "Disk";
    case 0x05:
        return "CdRom";
    default:
        return "Other";
    }
}

VOID PortInquiryText(const UCHAR *Field, ULONG Length, PCHAR Text)
{
    while (Length != 0 && (Field[Length - 1] == ' ' || Field[Length - 1] == 0))
        --Length;
    RtlCopyMemory(Text, Field, Length);
    Text[Length] = 0;
}

static VOID DeviceId(const UNIT *Unit, ID *Id)
{
    PutText(Id, "SCSI\\");
    PutText(Id, TypeName(Unit));
    PutText(Id, "&Ven_");
    PutTrimmed(Id, Unit->Inquiry + 8, 8);
    PutText(Id, "&Prod_");
    PutTrimmed(Id, Unit->Inquiry + 16, 16);
}

static VOID Qualified(const UNIT *Unit, ID *Id, BOOLEAN Typed, ULONG Product, ULONG Revision)
{
    if (Typed) {
        PutText(Id, "SCSI\\");
        PutText(Id, TypeName(Unit));
    }
    PutField(Id, Unit->Inquiry + 8, 8);
    PutField(Id, Unit->Inquiry + 16, Product);
    PutField(Id, Unit->Inquiry + 32, Revision);
    Put(Id, 0);
}

static VOID HardwareIds(const UNIT *Unit, ID *Id)
{
    Qualified(Unit, Id, TRUE, 16, 4);
    Qualified(Unit, Id, TRUE, 16, 0);
    Qualified(Unit, Id, TRUE, 0, 0);
    PutText(Id, "SCSI\\");
    Qualified(Unit, Id, FALSE, 16, 1);
    Qualified(Unit, Id, FALSE, 16, 1);
    if ((Unit->Inquiry[0] & 0x1F) == 0) {
        PutText(Id, "GenDisk");
        Put(Id, 0);
    }
}

static VOID CompatibleIds(const UNIT *Unit, ID *Id)
{
    PutText(Id, "SCSI\\");
    PutText(Id, TypeName(Unit));
    Put(Id, 0);
    PutText(Id, "SCSI\\RAW");
    Put(Id, 0);
    if ((Unit->Inquiry[0] & 0x1F) == 0) {
        PutText(Id, "GenDisk");
        Put(Id, 0);
    }
}

static VOID InstanceId(const UNIT *Unit, ID *Id)
{
    PutText(Id, "1&");
    PutHex(Id, Unit->Adapter->PortNumber, 4);
    PutText(Id, "&0&");
    PutHex(Id, Unit->Path, 2);
    PutHex(Id, Unit->Target, 2);
    PutHex(Id, Unit->Lun, 2);
}

/* Paged pool with two terminators, so that a list is as well formed as a string; the PnP manager frees it. */
static PWSTR Finish(ID *Id)
{
    Id->Text[Id->Length] = 0;
    return Id->Text;
}

static PWSTR Begin(ID *Id)
{
    Id->Length = 0;
    Id->Text = ExAllocatePoolWithTag(PagedPool, (ID_CHARACTERS + 1) * sizeof(WCHAR), PORT_TAG);
    if (Id->Text != NULL)
        RtlZeroMemory(Id->Text, (ID_CHARACTERS + 1) * sizeof(WCHAR));
    return Id->Text;
}

PWSTR PortPdoId(const UNIT *Unit, BUS_QUERY_ID_TYPE Type)
{
    ID Id;

    if (Begin(&Id) == NULL)
        return NULL;
    switch (Type) {
    case BusQueryDeviceID:
        DeviceId(Unit, &Id);
        break;
    case BusQueryHardwareIDs:
        HardwareIds(Unit, &Id);
        break;
    case BusQueryCompatibleIDs:
        CompatibleIds(Unit, &Id);
        break;
    default:
        InstanceId(Unit, &Id);
        break;
    }
    return Finish(&Id);
}

PWSTR PortPdoText(const UNIT *Unit, DEVICE_TEXT_TYPE Type)
{
    ID Id;

    if (Begin(&Id) == NULL)
        return NULL;
    if (Type == DeviceTextDescription) {
        CHAR Vendor[9], Product[17];

        PortInquiryText(Unit->Inquiry + 8, 8, Vendor);
        PortInquiryText(Unit->Inquiry + 16, 16, Product);
        PutText(&Id, Vendor);
        Put(&Id, ' ');
        PutText(&Id, Product);
        PutText(&Id, " SCSI Disk Device");
    } else {
        PutText(&Id, "Bus Number ");
        PutNumber(&Id, Unit->Path);
        PutText(&Id, ", Target Id ");
        PutNumber(&Id, Unit->Target);
        PutText(&Id, ", LUN ");
        PutNumber(&Id, Unit->Lun);
    }
    return Finish(&Id);
}
