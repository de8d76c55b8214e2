/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Names as the driver takes them: which are accepted and which refused, for
 * each of a disk's texts, with words that say which one and what is allowed;
 * and that names are compared byte by byte. wnbd_ioctl.h has the rules.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"
#include "server.h"

#define WIN32_INVALID_PARAMETER 87
#define WIN32_ALREADY_EXISTS 183
#define WIN32_CONNECTION_REFUSED 1225

static const char *const Good[] = {
    "a",
    "pool/ns/image@snap",
    "\\ / : * ? \" < > |",
    "C:\\Windows\\..",
    " leading and trailing ",
    "dots...",
    "..",
    "--debug",
    "%s%n%00",
    "caf\xC3\xA9",
    "cafe\xCC\x81",
    "\xE6\xBC\xA2\xE5\xAD\x97",
    "\xF0\x9F\x92\xBE",
    "\xC2\xA0",
    "\xE2\x80\xA7\xE2\x80\xAF",
    "\xF4\x8F\xBF\xBF",
    "0123456789abcde",
};

static const char *const Bad[] = {
    "\x01",
    "tab\t",
    "line\n",
    "\r",
    "\x1B[31m",
    "\x1F",
    "\x7F",
    "\xC2\x80",
    "\xC2\x9F",
    "\xD8\x9C",
    "\xE2\x80\x8E",
    "\xE2\x80\xA8",
    "\xE2\x80\xAE",
    "\xE2\x81\xA6",
    "\xE2\x81\xA9",
    "\x80",
    "caf\xE9",
    "\xC0\xAF",
    "\xE0\x80\xAF",
    "\xED\xA0\x80",
    "\xF4\x90\x80\x80",
    "\xF8\x88\x80\x80\x80",
    "cut\xE2\x82",
    "\xFF\xFE",
};

typedef struct {
    const char *Noun;
    size_t Offset;
    size_t Size;
    bool Required;
    bool Resolved; /* what is accepted goes to the system's resolver: not from here */
} FIELD;

#define FIELD_OF(Noun, Field, ...)                                                                                     \
    {Noun, offsetof(WNBD_PROPERTIES, Field), RTL_FIELD_SIZE(WNBD_PROPERTIES, Field), __VA_ARGS__}
static const FIELD Fields[] = {
    FIELD_OF("the instance name", InstanceName, true, false),
    FIELD_OF("the serial number", SerialNumber, false, false),
    FIELD_OF("the owner", Owner, false, false),
    FIELD_OF("the server's name", NbdProperties.Hostname, true, true),
    FIELD_OF("the export name", NbdProperties.ExportName, false, false),
};

static uint16_t ClosedPort;
static WNBD_CREATE_RESULT Result;

/* Tries a disk in which one text is Name; the closed port is as far as an accepted one gets. */
static void Try(BED *Bed, const FIELD *Field, const char *Name, size_t Length, const char *Words)
{
    WNBD_PROPERTIES Properties;
    BedProperties(&Properties, "name", ClosedPort);
    memset((char *)&Properties + Field->Offset, 0, Field->Size);
    memcpy((char *)&Properties + Field->Offset, Name, Length);
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS);
    if (Words == NULL) {
        CHECK(Result.Status == WIN32_CONNECTION_REFUSED && Result.Phase == WnbdCreatePhaseConnect);
        return;
    }
    CHECK(Result.Status == WIN32_INVALID_PARAMETER && Result.Phase == WnbdCreatePhaseRequest);
    char Expected[WNBD_CREATE_MESSAGE_LENGTH];
    snprintf(Expected, sizeof(Expected), "%s %s", Field->Noun, Words);
    CHECK(strcmp(Result.Message, Expected) == 0);
}

static void Matrix(BED *Bed)
{
    char Long[WNBD_MAX_NAME_LENGTH], AtMost[64];
    memset(Long, 'x', sizeof(Long));
    for (size_t Which = 0; Which < RTL_NUMBER_OF(Fields); Which++) {
        const FIELD *Field = &Fields[Which];
        printf("  %s\n", Field->Noun);
        fflush(stdout);
        for (size_t Index = 0; Index < RTL_NUMBER_OF(Good) && !Field->Resolved; Index++) {
            if (strlen(Good[Index]) < Field->Size) {
                Try(Bed, Field, Good[Index], strlen(Good[Index]), NULL);
            }
        }
        for (size_t Index = 0; Index < RTL_NUMBER_OF(Bad); Index++) {
            Try(Bed, Field, Bad[Index], strlen(Bad[Index]),
                "is not UTF-8, or has control characters or ones that turn the direction of writing");
        }
        snprintf(AtMost, sizeof(AtMost), "is too long or not terminated (at most %zu bytes)", Field->Size - 1);
        Try(Bed, Field, Long, Field->Size, AtMost);
        if (!Field->Resolved) {
            Try(Bed, Field, Long, Field->Size - 1, NULL);
        }
        Try(Bed, Field, "", 0, Field->Required ? "is empty" : NULL);
    }
}

static void Map(BED *Bed, const char *Name, uint16_t Port, UINT32 Expected)
{
    WNBD_PROPERTIES Properties;
    BedProperties(&Properties, Name, Port);
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS);
    CHECK(Result.Status == Expected);
    CHECK(Expected != 0 || strcmp(Result.ConnectionInfo.Properties.InstanceName, Name) == 0);
    CHECK(Expected != 0 || strcmp(Result.ConnectionInfo.Properties.SerialNumber, Name) == 0);
}

static NTSTATUS Show(BED *Bed, const char *Name)
{
    WNBD_IOCTL_SHOW_COMMAND Command = {.IoControlCode = IOCTL_WNBD_SHOW};
    WNBD_CONNECTION_INFO Info;
    snprintf(Command.InstanceName, sizeof(Command.InstanceName), "%s", Name);
    NTSTATUS Status =
        NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Info, sizeof(Info), NULL);
    CHECK(Status != STATUS_SUCCESS || strcmp(Info.Properties.InstanceName, Name) == 0);
    return Status;
}

/* All at once: each is itself, a second one of the same name is refused, the first stays. */
static void Identity(BED *Bed)
{
    static const char *const Near[] = {"A", "a ", " a", "a.", "cafe", "caf\xC3\x89"};
    SERVER Server;
    size_t Count = RTL_NUMBER_OF(Good);
    ServerStart(&Server, (const char *const[]){"memory", "16M", NULL});
    for (size_t Index = 0; Index < Count; Index++) {
        Map(Bed, Good[Index], Server.Port, 0);
    }
    CHECK(NativeChildWait(Bed->Adapter, Count, 30000));
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Near); Index++) {
        CHECK(Show(Bed, Near[Index]) == STATUS_OBJECT_NAME_NOT_FOUND);
        CHECK(BedUnmap(Bed, Near[Index]) == STATUS_OBJECT_NAME_NOT_FOUND);
    }
    Map(Bed, "A", Server.Port, 0);
    for (size_t Index = 0; Index < Count; Index++) {
        Map(Bed, Good[Index], Server.Port, WIN32_ALREADY_EXISTS);
        CHECK(strstr(Result.Message, "mapped already") != NULL);
        CHECK(Show(Bed, Good[Index]) == STATUS_SUCCESS);
    }
    CHECK(BedUnmap(Bed, "A") == STATUS_SUCCESS);
    for (size_t Index = 0; Index < Count; Index++) {
        CHECK(Show(Bed, Good[Index]) == STATUS_SUCCESS);
        CHECK(BedUnmap(Bed, Good[Index]) == STATUS_SUCCESS);
        CHECK(Show(Bed, Good[Index]) == STATUS_OBJECT_NAME_NOT_FOUND);
    }
    CHECK(NativeChildWait(Bed->Adapter, 0, 30000));
    ServerStop(&Server);
}

int main(int Count, char **Arguments)
{
    BED Bed;
    NATIVE_OPTIONS Options = {.Seed = Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1};
    ClosedPort = ServerRefusing();
    BedStart(&Bed, &Options);
    printf("each text of a disk\n");
    Matrix(&Bed);
    printf("which name is which disk\n");
    fflush(stdout);
    Identity(&Bed);
    BedStop(&Bed);
    printf("ok\n");
    return 0;
}
