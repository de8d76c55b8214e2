/* SPDX-License-Identifier: LGPL-2.1-only */
/* IOCTL_STORAGE_QUERY_PROPERTY: the adapter's limits, a unit's names and its identification page. */
#include "port.h"
#include "storage_ioctl.h"

#define DESCRIPTOR_MAX 1024u

/* Appends a string field of the INQUIRY data; its offset, or 0 when it is empty. */
static ULONG Append(PUCHAR Descriptor, ULONG *Length, const UCHAR *Field, ULONG FieldLength)
{
    const ULONG Offset = *Length;

    PortInquiryText(Field, FieldLength, (PCHAR)Descriptor + Offset);
    while (Descriptor[*Length] != 0)
        ++*Length;
    ++*Length;
    return *Length == Offset + 1 ? 0 : Offset;
}

static ULONG DescribeDevice(const UNIT *Unit, PUCHAR Buffer)
{
    PORT_STORAGE_DEVICE_DESCRIPTOR *Descriptor = (PORT_STORAGE_DEVICE_DESCRIPTOR *)Buffer;
    ULONG Length = offsetof(PORT_STORAGE_DEVICE_DESCRIPTOR, RawDeviceProperties);

    Descriptor->Version = sizeof(*Descriptor);
    Descriptor->DeviceType = Unit->Inquiry[0] & 0x1F;
    Descriptor->DeviceTypeModifier = Unit->Inquiry[1] & 0x7F;
    Descriptor->RemovableMedia = (Unit->Inquiry[1] & 0x80) != 0;
    Descriptor->CommandQueueing = (Unit->Inquiry[7] & 0x02) != 0;
    Descriptor->BusType = Unit->Adapter->Miniport->BusType;
    Descriptor->RawPropertiesLength = Unit->InquiryLength;
    RtlCopyMemory(Buffer + Length, Unit->Inquiry, Unit->InquiryLength);
    Length += Unit->InquiryLength;
    Descriptor->VendorIdOffset = Append(Buffer, &Length, Unit->Inquiry + 8, 8);
    Descriptor->ProductIdOffset = Append(Buffer, &Length, Unit->Inquiry + 16, 16);
    Descriptor->ProductRevisionOffset = Append(Buffer, &Length, Unit->Inquiry + 32, 4);
    if (Unit->Vpd80Length > 4)
        Descriptor->SerialNumberOffset = Append(Buffer, &Length, Unit->Vpd80 + 4, Unit->Vpd80Length - 4);
    Descriptor->Size = Length;
    return Length;
}

static ULONG DescribeAdapter(const ADAPTER *Adapter, PUCHAR Buffer)
{
    PORT_STORAGE_ADAPTER_DESCRIPTOR *Descriptor = (PORT_STORAGE_ADAPTER_DESCRIPTOR *)Buffer;

    Descriptor->Version = Descriptor->Size = sizeof(*Descriptor);
    Descriptor->MaximumTransferLength = Adapter->Config.MaximumTransferLength;
    Descriptor->MaximumPhysicalPages = Adapter->Config.NumberOfPhysicalBreaks;
    Descriptor->AlignmentMask = Adapter->Config.AlignmentMask;
    Descriptor->CommandQueueing = Adapter->Config.TaggedQueuing;
    Descriptor->BusType = Adapter->Miniport->BusType;
    Descriptor->BusMajorVersion = 1;
    Descriptor->SrbType = Adapter->Config.SrbType;
    Descriptor->AddressType = Adapter->Config.AddressType;
    return sizeof(*Descriptor);
}

/* Page 83h's designators, each with its offset to the next instead of a length. */
static ULONG DescribeId(const UNIT *Unit, PUCHAR Buffer)
{
    PORT_STORAGE_DEVICE_ID_DESCRIPTOR *Descriptor = (PORT_STORAGE_DEVICE_ID_DESCRIPTOR *)Buffer;
    ULONG Length = offsetof(PORT_STORAGE_DEVICE_ID_DESCRIPTOR, Identifiers), i = 4;

    while (i + 4 <= Unit->Vpd83Length && i + 4 + Unit->Vpd83[i + 3] <= Unit->Vpd83Length) {
        const UCHAR *Designator = Unit->Vpd83 + i;
        PORT_STORAGE_IDENTIFIER *Identifier = (PORT_STORAGE_IDENTIFIER *)(Buffer + Length);

        Identifier->CodeSet = Designator[0] & 0x0F;
        Identifier->Type = Designator[1] & 0x0F;
        Identifier->IdentifierSize = Designator[3];
        Identifier->NextOffset = (USHORT)((offsetof(PORT_STORAGE_IDENTIFIER, Identifier) + Designator[3] + 3u) & ~3u);
        Identifier->Association = (Designator[1] >> 4) & 3;
        RtlCopyMemory(Identifier->Identifier, Designator + 4, Designator[3]);
        Length += Identifier->NextOffset;
        ++Descriptor->NumberOfIdentifiers;
        i += 4u + Designator[3];
    }
    Descriptor->Version = sizeof(*Descriptor);
    Descriptor->Size = Length;
    return Length;
}

/* What a port driver that resets a unit and a target before the bus says of itself. */
static ULONG DescribeMiniport(PUCHAR Buffer)
{
    PORT_STORAGE_MINIPORT_DESCRIPTOR *Descriptor = (PORT_STORAGE_MINIPORT_DESCRIPTOR *)Buffer;

    Descriptor->Version = Descriptor->Size = sizeof(*Descriptor);
    Descriptor->PortDriver = 1;
    Descriptor->LunResetSupported = TRUE;
    Descriptor->TargetResetSupported = TRUE;
    return sizeof(*Descriptor);
}

/* What the port driver grants [STORAGE_DEVICE_IO_CAPABILITY_DESCRIPTOR]. */
static ULONG DescribeIoCapability(const ADAPTER *Adapter, PUCHAR Buffer)
{
    ULONG *Fields = (ULONG *)Buffer; /* Version, Size, LunMaxIoCount, AdapterMaxIoCount */

    Fields[0] = 16;
    Fields[1] = 16;
    Fields[2] = Adapter->Config.MaxIOsPerLun;
    Fields[3] = Adapter->Config.MaxNumberOfIO;
    return 16;
}

/* Whether the adapter (Unit NULL) or the unit has the property. */
static BOOLEAN HasProperty(const UNIT *Unit, ULONG PropertyId)
{
    return PropertyId == PORT_STORAGE_ADAPTER_PROPERTY || PropertyId == PORT_STORAGE_IO_CAPABILITY_PROPERTY ||
           PropertyId == PORT_STORAGE_MINIPORT_PROPERTY ||
           (Unit != NULL && PropertyId <= PORT_STORAGE_DEVICE_ID_PROPERTY);
}

NTSTATUS PortPropertyQuery(ADAPTER *Adapter, UNIT *Unit, PIRP Irp)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    const ULONG OutputLength = Stack->Parameters.DeviceIoControl.OutputBufferLength;
    const PORT_STORAGE_PROPERTY_QUERY *Query = Irp->AssociatedIrp.SystemBuffer;
    PUCHAR Descriptor;
    ULONG Length = 0;

    if (Stack->Parameters.DeviceIoControl.InputBufferLength < 8)
        return PortIrpComplete(Irp, STATUS_INVALID_PARAMETER, 0);
    if (!HasProperty(Unit, Query->PropertyId))
        return PortIrpComplete(Irp, STATUS_NOT_SUPPORTED, 0);
    if (Query->QueryType == PORT_PROPERTY_EXISTS_QUERY)
        return PortIrpComplete(Irp, STATUS_SUCCESS, 0);
    if (Query->QueryType != PORT_PROPERTY_STANDARD_QUERY)
        return PortIrpComplete(Irp, STATUS_INVALID_PARAMETER, 0);
    Descriptor = ExAllocatePoolWithTag(NonPagedPoolNx, DESCRIPTOR_MAX, PORT_TAG);
    if (Descriptor == NULL)
        return PortIrpComplete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    RtlZeroMemory(Descriptor, DESCRIPTOR_MAX);
    if (Query->PropertyId == PORT_STORAGE_ADAPTER_PROPERTY)
        Length = DescribeAdapter(Adapter, Descriptor);
    else if (Query->PropertyId == PORT_STORAGE_DEVICE_PROPERTY)
        Length = DescribeDevice(Unit, Descriptor);
    else if (Query->PropertyId == PORT_STORAGE_IO_CAPABILITY_PROPERTY)
        Length = DescribeIoCapability(Adapter, Descriptor);
    else if (Query->PropertyId == PORT_STORAGE_MINIPORT_PROPERTY)
        Length = DescribeMiniport(Descriptor);
    else
        Length = DescribeId(Unit, Descriptor);
    if (Length > OutputLength)
        Length = OutputLength; /* the header, if there is room for it, says how much there is */
    RtlCopyMemory(Irp->AssociatedIrp.SystemBuffer, Descriptor, Length);
    ExFreePoolWithTag(Descriptor, PORT_TAG);
    return PortIrpComplete(Irp, STATUS_SUCCESS, Length);
}
