/* SPDX-License-Identifier: LGPL-2.1-only */
/* IoOpenDriverRegistryKey, which Wine lacks: keys below that of the service. */
#include "nt.h"
#include "wine_ground.h"

#define PATH_BYTES_MAX 512u

NTSTATUS NTAPI WineOpenDriverRegistryKey(PDRIVER_OBJECT DriverObject, DRIVER_REGKEY_TYPE Type, ACCESS_MASK Access,
                                         ULONG Flags, PHANDLE Key)
{
    static const WCHAR Parameters[] = L"\\Parameters";
    static const WCHAR State[] = L"\\State";
    const BOOLEAN Constant = Type == DriverRegKeyParameters;
    const WCHAR *Suffix = Constant ? Parameters : State;
    const USHORT SuffixBytes = Constant ? sizeof(Parameters) - sizeof(WCHAR) : sizeof(State) - sizeof(WCHAR);
    const UNICODE_STRING *Service = &DriverObject->DriverExtension->ServiceKeyName; /* Wine has the full path there */
    UCHAR Buffer[PATH_BYTES_MAX];
    OBJECT_ATTRIBUTES Attributes;
    UNICODE_STRING Path;

    if (Flags != 0 || Type > DriverRegKeyPersistentState || Service->Length + SuffixBytes > PATH_BYTES_MAX)
        return STATUS_INVALID_PARAMETER;
    RtlCopyMemory(Buffer, Service->Buffer, Service->Length);
    RtlCopyMemory(Buffer + Service->Length, Suffix, SuffixBytes);
    Path.Buffer = (PWSTR)(PVOID)Buffer;
    Path.Length = Path.MaximumLength = (USHORT)(Service->Length + SuffixBytes);
    InitializeObjectAttributes(&Attributes, &Path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    return ZwCreateKey(Key, Access, &Attributes, 0, NULL, REG_OPTION_NON_VOLATILE, NULL);
}
