/* SPDX-License-Identifier: LGPL-2.1-only */
/* Texts: what callers give, checked; what the system says, in UTF-8. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <base/utf8.h>

TEXT NarrowText(const WCHAR *Wide)
{
    TEXT Result = {""};
    if (!WideCharToMultiByte(CP_UTF8, 0, Wide, -1, Result.Text, sizeof(Result.Text), NULL, NULL)) {
        snprintf(Result.Text, sizeof(Result.Text), "(unreadable name)");
    }
    return Result;
}

TEXT ErrorText(DWORD Error)
{
    TEXT Result;
    WCHAR Wide[TEXT_MAX / 4];
    DWORD Length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, Error, 0, Wide,
                                  sizeof(Wide) / sizeof(Wide[0]), NULL);
    while (Length && wcschr(L"\r\n. ", Wide[Length - 1])) {
        Wide[--Length] = 0;
    }
    if (!Length) {
        snprintf(Result.Text, sizeof(Result.Text), "error %lu (0x%08lx)", Error, Error);
        return Result;
    }
    TEXT Words = NarrowText(Wide);
    snprintf(Result.Text, sizeof(Result.Text), "%.480s (error %lu)", Words.Text, Error);
    return Result;
}

TEXT FormatText(const char *Format, ...)
{
    TEXT Result;
    va_list Arguments;
    va_start(Arguments, Format);
    if (vsnprintf(Result.Text, sizeof(Result.Text), Format, Arguments) < 0) {
        Result.Text[0] = 0;
    }
    va_end(Arguments);
    /* msvcrt's vsnprintf leaves a text that is too long without its end. */
    Result.Text[sizeof(Result.Text) - 1] = 0;
    return Result;
}

bool TextCopyName(CHAR *Buffer, const char *Name)
{
    /* strnlen, not memchr over the whole length: Name may be shorter than its longest. */
    size_t Length = Name ? strnlen(Name, WNBD_MAX_NAME_LENGTH) : 0;
    if (Length == 0 || Length == WNBD_MAX_NAME_LENGTH) {
        LogError("a name must have 1 to %d bytes", WNBD_MAX_NAME_LENGTH - 1);
        return false;
    }
    memcpy(Buffer, Name, Length + 1);
    return true;
}

/* Says what is wrong with the texts of Properties; false if there is nothing. The driver's rules, see wnbd_ioctl.h. */
static bool PropertiesBadText(const WNBD_PROPERTIES *Properties, TEXT *Cause)
{
    const NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    const struct {
        const char *Name;
        const char *Text;
        size_t Size;
    } Texts[] = {
        {"instance name", Properties->InstanceName, sizeof(Properties->InstanceName)},
        {"serial number", Properties->SerialNumber, sizeof(Properties->SerialNumber)},
        {"owner", Properties->Owner, sizeof(Properties->Owner)},
        {"host name", Nbd->Hostname, sizeof(Nbd->Hostname)},
        {"export name", Nbd->ExportName, sizeof(Nbd->ExportName)},
    };
    for (size_t Index = 0; Index < sizeof(Texts) / sizeof(Texts[0]); Index++) {
        if (!memchr(Texts[Index].Text, 0, Texts[Index].Size)) {
            *Cause = FormatText("the %s is longer than %u bytes", Texts[Index].Name, (unsigned)Texts[Index].Size - 1);
            return true;
        }
        if (!Utf8IsName(Texts[Index].Text)) {
            *Cause = FormatText("the %s is not UTF-8, or has control characters or ones that turn the direction of "
                                "writing",
                                Texts[Index].Name);
            return true;
        }
    }
    return false;
}

bool PropertiesAreValid(const WNBD_PROPERTIES *Properties, TEXT *Cause)
{
    if (!Properties) {
        *Cause = FormatText("no properties of the disk were given");
    } else if (PropertiesBadText(Properties, Cause)) {
        return false;
    } else if (!Properties->InstanceName[0]) {
        *Cause = FormatText("the instance name is empty");
    } else if ((Properties->Flags.UseKernelNbd || Properties->Flags.UseUserspaceNbd) &&
               !Properties->NbdProperties.Hostname[0]) {
        *Cause = FormatText("disk %s: the name of the NBD server is empty", Properties->InstanceName);
    } else if (Properties->NbdProperties.PortNumber > 65535 ||
               (Properties->NbdProperties.Hostname[0] && Properties->NbdProperties.PortNumber == 0)) {
        *Cause = FormatText("disk %s: there is no TCP port %u", Properties->InstanceName,
                            Properties->NbdProperties.PortNumber);
    } else {
        return true;
    }
    return false;
}
