/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Mappings in the registry; see mapping.h.
 */
#include "mapping.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPPINGS_PATH L"SOFTWARE\\WNBD\\Mappings"
#define KEY_NAME_MAX 255 /* characters: "Registry element size limits" */
#define OWNER "wnbd-client"
#define PORT_DEFAULT 10809
#define PORT_MAX 65535

/* A key's name, with its terminator: room for what is too long, too. */
typedef struct {
    WCHAR Text[WNBD_MAX_NAME_LENGTH * 3];
} KEY_NAME;

/* False: not UTF-8. */
static bool KeyNameMake(KEY_NAME *Name, const char *InstanceName)
{
    WCHAR Wide[WNBD_MAX_NAME_LENGTH];
    size_t Used = 0;
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, InstanceName, -1, Wide, WNBD_MAX_NAME_LENGTH) == 0) {
        return false;
    }
    for (const WCHAR *At = Wide; *At != 0; At++) {
        const WCHAR *Code = *At == '%' ? L"%25" : *At == '\\' ? L"%5C" : NULL;
        if (Code != NULL) {
            memcpy(&Name->Text[Used], Code, 3 * sizeof(*Code));
            Used += 3;
        } else {
            Name->Text[Used++] = *At;
        }
    }
    Name->Text[Used] = 0;
    return true;
}

/* The way back. False: no instance can have the name. */
static bool KeyNameRead(const WCHAR *Name, char InstanceName[WNBD_MAX_NAME_LENGTH])
{
    WCHAR Wide[KEY_NAME_MAX + 1];
    size_t Used = 0;
    while (*Name != 0) {
        bool Coded = wcsncmp(Name, L"%25", 3) == 0 || _wcsnicmp(Name, L"%5C", 3) == 0;
        Wide[Used++] = !Coded ? *Name : Name[1] == '2' ? '%' : '\\';
        Name += Coded ? 3 : 1;
    }
    Wide[Used] = 0;
    return WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, Wide, -1, InstanceName, WNBD_MAX_NAME_LENGTH, NULL,
                               NULL) > 1;
}

DWORD MappingsOpen(HKEY *Key)
{
    return (DWORD)RegCreateKeyExW(HKEY_LOCAL_MACHINE, MAPPINGS_PATH, 0, NULL, 0, KEY_READ | KEY_NOTIFY, NULL, Key,
                                  NULL);
}

/* ---- names ---- */

/* Those that come while it reads are left out: who waits for changes hears of them. */
static DWORD NamesOfKey(HKEY Key, MAPPING_NAMES *Names)
{
    DWORD Count;
    DWORD Status = (DWORD)RegQueryInfoKeyW(Key, NULL, NULL, NULL, &Count, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    if (Status != ERROR_SUCCESS || Count == 0) {
        return Status;
    }
    Names->Names = calloc(Count, sizeof(*Names->Names));
    if (Names->Names == NULL) {
        return ERROR_OUTOFMEMORY;
    }
    for (DWORD Index = 0; Index < Count && Status == ERROR_SUCCESS; Index++) {
        WCHAR KeyName[KEY_NAME_MAX + 1];
        DWORD Length = KEY_NAME_MAX + 1;
        Status = (DWORD)RegEnumKeyExW(Key, Index, KeyName, &Length, NULL, NULL, NULL, NULL);
        Names->Count += Status == ERROR_SUCCESS && KeyNameRead(KeyName, Names->Names[Names->Count]);
    }
    return Status == ERROR_NO_MORE_ITEMS ? (DWORD)ERROR_SUCCESS : Status;
}

DWORD MappingNamesRead(MAPPING_NAMES *Names)
{
    HKEY Key;
    *Names = (MAPPING_NAMES){0};
    DWORD Status = (DWORD)RegOpenKeyExW(HKEY_LOCAL_MACHINE, MAPPINGS_PATH, 0, KEY_READ, &Key);
    if (Status != ERROR_SUCCESS) {
        return Status == ERROR_FILE_NOT_FOUND ? (DWORD)ERROR_SUCCESS : Status;
    }
    Status = NamesOfKey(Key, Names);
    RegCloseKey(Key);
    return Status;
}

void MappingNamesFree(MAPPING_NAMES *Names)
{
    free(Names->Names);
    *Names = (MAPPING_NAMES){0};
}

/* Whether another one has the name but for its case. */
static DWORD NameIsFree(const char *InstanceName, const KEY_NAME *KeyName)
{
    MAPPING_NAMES Names;
    KEY_NAME Other;
    DWORD Status = MappingNamesRead(&Names);
    for (size_t Index = 0; Status == ERROR_SUCCESS && Index < Names.Count; Index++) {
        if (strcmp(Names.Names[Index], InstanceName) != 0 && KeyNameMake(&Other, Names.Names[Index]) &&
            CompareStringOrdinal(Other.Text, -1, KeyName->Text, -1, TRUE) == CSTR_EQUAL) {
            Status = ERROR_ALREADY_EXISTS;
        }
    }
    MappingNamesFree(&Names);
    return Status;
}

/* ---- writing ---- */

static DWORD TextSave(HKEY Key, const WCHAR *Name, const char *Text)
{
    WCHAR Wide[WNBD_MAX_NAME_LENGTH];
    int Length = MultiByteToWideChar(CP_UTF8, 0, Text, -1, Wide, WNBD_MAX_NAME_LENGTH);
    return (DWORD)RegSetValueExW(Key, Name, 0, REG_SZ, (const BYTE *)Wide, (DWORD)((size_t)Length * sizeof(*Wide)));
}

static DWORD NumberSave(HKEY Key, const WCHAR *Name, DWORD Number)
{
    return (DWORD)RegSetValueExW(Key, Name, 0, REG_DWORD, (const BYTE *)&Number, sizeof(Number));
}

static DWORD ValuesSave(HKEY Key, const WNBD_PROPERTIES *Properties)
{
    const NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    UINT64 DiskSize = Properties->BlockCount * Properties->BlockSize;
    DWORD Status = TextSave(Key, L"Hostname", Nbd->Hostname);
    Status = Status == ERROR_SUCCESS ? TextSave(Key, L"ExportName", Nbd->ExportName) : Status;
    Status = Status == ERROR_SUCCESS ? NumberSave(Key, L"Port", Nbd->PortNumber) : Status;
    Status = Status == ERROR_SUCCESS ? NumberSave(Key, L"BlockSize", Properties->BlockSize) : Status;
    Status = Status == ERROR_SUCCESS ? NumberSave(Key, L"ReadOnly", Properties->Flags.ReadOnly) : Status;
    Status = Status == ERROR_SUCCESS ? NumberSave(Key, L"SkipHandshake", Nbd->Flags.SkipNegotiation) : Status;
    return Status == ERROR_SUCCESS
               ? (DWORD)RegSetValueExW(Key, L"DiskSize", 0, REG_QWORD, (const BYTE *)&DiskSize, sizeof(DiskSize))
               : Status;
}

/* Writes the key anew; one that can't be written completely is taken away again. */
static DWORD KeySave(const KEY_NAME *KeyName, const WNBD_PROPERTIES *Properties)
{
    HKEY All;
    HKEY Key;
    DWORD Status =
        (DWORD)RegCreateKeyExW(HKEY_LOCAL_MACHINE, MAPPINGS_PATH, 0, NULL, 0, KEY_READ | KEY_WRITE, NULL, &All, NULL);
    if (Status != ERROR_SUCCESS) {
        return Status;
    }
    Status = (DWORD)RegCreateKeyExW(All, KeyName->Text, 0, NULL, 0, KEY_WRITE, NULL, &Key, NULL);
    if (Status == ERROR_SUCCESS) {
        Status = ValuesSave(Key, Properties);
        RegCloseKey(Key);
        if (Status != ERROR_SUCCESS) {
            RegDeleteKeyExW(All, KeyName->Text, 0, 0);
        }
    }
    RegCloseKey(All);
    return Status;
}

DWORD MappingSave(const WNBD_PROPERTIES *Properties)
{
    KEY_NAME KeyName;
    if (!KeyNameMake(&KeyName, Properties->InstanceName) || wcslen(KeyName.Text) > KEY_NAME_MAX) {
        return ERROR_FILENAME_EXCED_RANGE;
    }
    DWORD Status = NameIsFree(Properties->InstanceName, &KeyName);
    return Status == ERROR_SUCCESS ? KeySave(&KeyName, Properties) : Status;
}

DWORD MappingForget(const char *InstanceName)
{
    KEY_NAME KeyName;
    HKEY All;
    if (!KeyNameMake(&KeyName, InstanceName) || wcslen(KeyName.Text) > KEY_NAME_MAX) {
        return ERROR_FILE_NOT_FOUND;
    }
    DWORD Status = (DWORD)RegOpenKeyExW(HKEY_LOCAL_MACHINE, MAPPINGS_PATH, 0, KEY_READ | KEY_WRITE, &All);
    if (Status == ERROR_SUCCESS) {
        Status = (DWORD)RegDeleteKeyExW(All, KeyName.Text, 0, 0);
        RegCloseKey(All);
    }
    return Status;
}

/* ---- reading: whoever wrote it may have been mistaken ---- */

/* A text that has to be there. */
static bool TextRead(HKEY Key, const WCHAR *Name, char Text[WNBD_MAX_NAME_LENGTH])
{
    WCHAR Wide[WNBD_MAX_NAME_LENGTH];
    DWORD SizeBytes = sizeof(Wide);
    return RegGetValueW(Key, NULL, Name, RRF_RT_REG_SZ, NULL, Wide, &SizeBytes) == ERROR_SUCCESS &&
           WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, Wide, -1, Text, WNBD_MAX_NAME_LENGTH, NULL, NULL) > 0;
}

/* A number that may be missing: then it stays as it is. */
static bool NumberRead(HKEY Key, const WCHAR *Name, DWORD *Number)
{
    DWORD SizeBytes = sizeof(*Number);
    DWORD Read;
    DWORD Status = (DWORD)RegGetValueW(Key, NULL, Name, RRF_RT_REG_DWORD, NULL, &Read, &SizeBytes);
    if (Status == ERROR_SUCCESS) {
        *Number = Read;
    }
    return Status == ERROR_SUCCESS || Status == ERROR_FILE_NOT_FOUND;
}

static bool SizeRead(HKEY Key, UINT64 *Size)
{
    DWORD SizeBytes = sizeof(*Size);
    DWORD Status = (DWORD)RegGetValueW(Key, NULL, L"DiskSize", RRF_RT_REG_QWORD, NULL, Size, &SizeBytes);
    if (Status == ERROR_FILE_NOT_FOUND) {
        *Size = 0;
    }
    return Status == ERROR_SUCCESS || Status == ERROR_FILE_NOT_FOUND;
}

/* Fills the properties. Returns the name of the value that is wrong, NULL if none is. */
static const char *ValuesRead(HKEY Key, WNBD_PROPERTIES *Properties)
{
    NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    DWORD Port = PORT_DEFAULT;
    DWORD BlockSize = 0;
    DWORD ReadOnly = 0;
    DWORD SkipHandshake = 0;
    UINT64 DiskSize;
    if (!TextRead(Key, L"Hostname", Nbd->Hostname) || Nbd->Hostname[0] == '\0') {
        return "Hostname";
    }
    if (!TextRead(Key, L"ExportName", Nbd->ExportName)) {
        return "ExportName";
    }
    if (!NumberRead(Key, L"Port", &Port) || Port == 0 || Port > PORT_MAX) {
        return "Port";
    }
    if (!NumberRead(Key, L"BlockSize", &BlockSize) || (BlockSize != 0 && BlockSize != 512 && BlockSize != 4096)) {
        return "BlockSize";
    }
    if (!NumberRead(Key, L"ReadOnly", &ReadOnly) || ReadOnly > 1) {
        return "ReadOnly";
    }
    if (!NumberRead(Key, L"SkipHandshake", &SkipHandshake) || SkipHandshake > 1) {
        return "SkipHandshake";
    }
    if (!SizeRead(Key, &DiskSize) || (DiskSize != 0) != (SkipHandshake != 0) || DiskSize > INT64_MAX ||
        (DiskSize != 0 && (BlockSize == 0 || DiskSize % BlockSize != 0))) {
        return "DiskSize";
    }
    Nbd->PortNumber = Port;
    Nbd->Flags.SkipNegotiation = SkipHandshake != 0;
    Properties->BlockSize = BlockSize;
    Properties->BlockCount = DiskSize != 0 ? DiskSize / BlockSize : 0;
    Properties->Flags.ReadOnly = ReadOnly != 0;
    return NULL;
}

DWORD MappingRead(const char *InstanceName, WNBD_PROPERTIES *Properties, const char **Value)
{
    KEY_NAME KeyName;
    HKEY All;
    HKEY Key;
    *Value = "";
    if (!KeyNameMake(&KeyName, InstanceName) || wcslen(KeyName.Text) > KEY_NAME_MAX) {
        return ERROR_FILE_NOT_FOUND;
    }
    DWORD Status = (DWORD)RegOpenKeyExW(HKEY_LOCAL_MACHINE, MAPPINGS_PATH, 0, KEY_READ, &All);
    if (Status != ERROR_SUCCESS) {
        return Status;
    }
    Status = (DWORD)RegOpenKeyExW(All, KeyName.Text, 0, KEY_READ, &Key);
    RegCloseKey(All);
    if (Status != ERROR_SUCCESS) {
        return Status;
    }
    memset(Properties, 0, sizeof(*Properties));
    snprintf(Properties->InstanceName, sizeof(Properties->InstanceName), "%s", InstanceName);
    snprintf(Properties->Owner, sizeof(Properties->Owner), "%s", OWNER);
    Properties->Flags.UseKernelNbd = 1;
    const char *Wrong = ValuesRead(Key, Properties);
    RegCloseKey(Key);
    if (Wrong != NULL) {
        *Value = Wrong;
        return ERROR_BADKEY;
    }
    return ERROR_SUCCESS;
}
