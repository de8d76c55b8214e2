/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * printf as Windows has it: l is 32 bits wide, I64 and ll are 64, %S and %ws
 * are UTF-16, %wZ is a UNICODE_STRING, %Z an ANSI_STRING. Output is UTF-8.
 * Floating point is not there, as in the kernel.
 */
#include "internal.h"

#include <stdio.h>

typedef struct {
    char *Buffer;
    size_t Size;
    size_t Length; /* as if there were room */
} FORMAT_OUTPUT;

typedef struct {
    bool Left, Zero, Plus, Space, Alternate;
    int Width;
    int Precision; /* -1: none */
    int Bits;      /* of an integer */
    bool Wide;
} FORMAT_SPEC;

static void FormatPut(FORMAT_OUTPUT *Output, const char *Text, size_t Length)
{
    for (size_t Index = 0; Index < Length; Index++, Output->Length++) {
        if (Output->Length < Output->Size) {
            Output->Buffer[Output->Length] = Text[Index];
        }
    }
}

static void FormatPad(FORMAT_OUTPUT *Output, char Fill, int Count)
{
    while (Count-- > 0) {
        FormatPut(Output, &Fill, 1);
    }
}

static void FormatText(FORMAT_OUTPUT *Output, const FORMAT_SPEC *Spec, const char *Text, size_t Length)
{
    if (Spec->Precision >= 0 && (size_t)Spec->Precision < Length) {
        Length = (size_t)Spec->Precision;
    }
    FormatPad(Output, ' ', Spec->Left ? 0 : Spec->Width - (int)Length);
    FormatPut(Output, Text, Length);
    FormatPad(Output, ' ', Spec->Left ? Spec->Width - (int)Length : 0);
}

static void FormatWide(FORMAT_OUTPUT *Output, const FORMAT_SPEC *Spec, const WCHAR *Text, size_t Characters)
{
    char Narrow[1024];
    if (KeGetCurrentIrql() > PASSIVE_LEVEL) {
        NtViolation(RULE_IRQL, "DbgPrintEx", "wide strings are for PASSIVE_LEVEL");
    }
    TextFromWide(Narrow, sizeof(Narrow), Text, Characters);
    FormatText(Output, Spec, Narrow, strlen(Narrow));
}

static void FormatNumber(FORMAT_OUTPUT *Output, const FORMAT_SPEC *Spec, char Kind, unsigned long long Value)
{
    char Digits[32], Prefix[3] = {0};
    const char *Set = Kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned Base = Kind == 'x' || Kind == 'X' || Kind == 'p' ? 16 : Kind == 'o' ? 8 : 10;
    int Count = 0;
    if (Kind == 'd' || Kind == 'i') {
        long long Signed = Spec->Bits == 64 ? (long long)Value : Spec->Bits == 16 ? (short)Value : (int)Value;
        Value = Signed < 0 ? 0 - (unsigned long long)Signed : (unsigned long long)Signed;
        Prefix[0] = Signed < 0 ? '-' : Spec->Plus ? '+' : Spec->Space ? ' ' : '\0';
    } else {
        Value &= Spec->Bits == 64 ? ~0ull : (1ull << Spec->Bits) - 1;
        if (Spec->Alternate && Base == 16 && Value != 0) {
            Prefix[0] = '0';
            Prefix[1] = Kind;
        }
    }
    do {
        Digits[sizeof(Digits) - 1 - (size_t)Count++] = Set[Value % Base];
        Value /= Base;
    } while (Value != 0);
    int Zeros = Spec->Precision > Count ? Spec->Precision - Count : 0;
    int Total = Count + Zeros + (int)strlen(Prefix);
    if (Spec->Zero && !Spec->Left && Spec->Precision < 0 && Spec->Width > Total) {
        Zeros += Spec->Width - Total;
        Total = Spec->Width;
    }
    FormatPad(Output, ' ', Spec->Left ? 0 : Spec->Width - Total);
    FormatPut(Output, Prefix, strlen(Prefix));
    FormatPad(Output, '0', Zeros);
    FormatPut(Output, Digits + sizeof(Digits) - (size_t)Count, (size_t)Count);
    FormatPad(Output, ' ', Spec->Left ? Spec->Width - Total : 0);
}

static const char *FormatFlags(const char *Format, FORMAT_SPEC *Spec)
{
    for (;; Format++) {
        switch (*Format) {
        case '-':
            Spec->Left = true;
            break;
        case '0':
            Spec->Zero = true;
            break;
        case '+':
            Spec->Plus = true;
            break;
        case ' ':
            Spec->Space = true;
            break;
        case '#':
            Spec->Alternate = true;
            break;
        default:
            return Format;
        }
    }
}

static const char *FormatLength(const char *Format, FORMAT_SPEC *Spec)
{
    if (strncmp(Format, "I64", 3) == 0 || strncmp(Format, "I32", 3) == 0) {
        Spec->Bits = Format[1] == '6' ? 64 : 32;
        return Format + 3;
    }
    if (strncmp(Format, "ll", 2) == 0 || *Format == 'I' || *Format == 'z' || *Format == 't' || *Format == 'j') {
        Spec->Bits = 64;
        return Format + (Format[0] == 'l' ? 2 : 1);
    }
    while (*Format == 'h') {
        Spec->Bits = Spec->Bits == 16 ? 8 : 16;
        Format++;
    }
    if (*Format == 'l' || *Format == 'w') {
        Spec->Wide = true;
        Format++;
    }
    return Format;
}

static int FormatStar(const char **Format, va_list *Arguments)
{
    int Value = 0;
    if (**Format == '*') {
        (*Format)++;
        return va_arg(*Arguments, int);
    }
    while (**Format >= '0' && **Format <= '9') {
        Value = Value * 10 + (*(*Format)++ - '0');
    }
    return Value;
}

static void FormatString(FORMAT_OUTPUT *Output, const FORMAT_SPEC *Spec, char Kind, va_list *Arguments)
{
    if (Kind == 'Z' && Spec->Wide) {
        PCUNICODE_STRING String = va_arg(*Arguments, PCUNICODE_STRING);
        FormatWide(Output, Spec, String->Buffer, String->Length / sizeof(WCHAR));
    } else if (Kind == 'Z') {
        PCANSI_STRING String = va_arg(*Arguments, PCANSI_STRING);
        FormatText(Output, Spec, String->Buffer, String->Length);
    } else if (Kind == 'S' || Spec->Wide) {
        const WCHAR *Text = va_arg(*Arguments, const WCHAR *);
        FormatWide(Output, Spec, Text, NativeWcslen(Text));
    } else {
        const char *Text = va_arg(*Arguments, const char *);
        Text = Text == NULL ? "(null)" : Text;
        FormatText(Output, Spec, Text, Spec->Precision >= 0 ? strnlen(Text, (size_t)Spec->Precision) : strlen(Text));
    }
}

static const char *FormatOne(FORMAT_OUTPUT *Output, const char *Format, va_list *Arguments)
{
    FORMAT_SPEC Spec = {.Precision = -1, .Bits = 32};
    Format = FormatFlags(Format, &Spec);
    Spec.Width = FormatStar(&Format, Arguments);
    if (*Format == '.') {
        Format++;
        Spec.Precision = FormatStar(&Format, Arguments);
    }
    Format = FormatLength(Format, &Spec);
    char Kind = *Format;
    switch (Kind) {
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        FormatNumber(Output, &Spec, Kind,
                     Spec.Bits == 64 ? va_arg(*Arguments, unsigned long long) : va_arg(*Arguments, unsigned int));
        break;
    case 'p':
        Spec.Bits = 64;
        Spec.Precision = 16;
        FormatNumber(Output, &Spec, Kind, (unsigned long long)(uintptr_t)va_arg(*Arguments, void *));
        break;
    case 'c': {
        char Character = (char)va_arg(*Arguments, int);
        FormatText(Output, &Spec, &Character, 1);
        break;
    }
    case 's':
    case 'S':
    case 'Z':
        FormatString(Output, &Spec, Kind, Arguments);
        break;
    case '%':
        FormatPut(Output, "%", 1);
        break;
    default:
        NtViolation(RULE_ASSERTION, "format string", "no conversion %%%c in the kernel", Kind);
    }
    return Format + 1;
}

/* The length that the text would have, as C's vsnprintf; Buffer is not terminated if it is full. */
static size_t FormatAll(char *Buffer, size_t Size, const char *Format, va_list Arguments)
{
    FORMAT_OUTPUT Output = {Buffer, Size, 0};
    va_list Copy;
    va_copy(Copy, Arguments);
    while (*Format != '\0') {
        if (*Format == '%') {
            Format = FormatOne(&Output, Format + 1, &Copy);
        } else {
            FormatPut(&Output, Format++, 1);
        }
    }
    va_end(Copy);
    if (Output.Length < Size) {
        Buffer[Output.Length] = '\0';
    }
    return Output.Length;
}

/* As Microsoft's: -1 and no terminator where the text does not fit. */
int _vsnprintf(char *Buffer, SIZE_T Size, const char *Format, va_list Arguments)
{
    size_t Length = FormatAll(Buffer, Size, Format, Arguments);
    return Length > Size ? -1 : (int)Length;
}

int _snprintf(char *Buffer, SIZE_T Size, const char *Format, ...)
{
    va_list Arguments;
    va_start(Arguments, Format);
    int Length = _vsnprintf(Buffer, Size, Format, Arguments);
    va_end(Arguments);
    return Length;
}

/* ---- Debug output ---- */

static ULONG DbgLevel = DPFLTR_ERROR_LEVEL;
static void (*DbgLog)(uint32_t Level, const char *Text);

void DbgStart(ULONG Level, void (*Log)(uint32_t Level, const char *Text))
{
    DbgLevel = Level;
    DbgLog = Log;
}

ULONG vDbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, va_list Arguments)
{
    char Text[2048];
    UNREFERENCED_PARAMETER(ComponentId);
    /* Always formatted, so that a wrong conversion shows. */
    size_t Length = FormatAll(Text, sizeof(Text) - 1, Format, Arguments);
    Text[Length < sizeof(Text) - 1 ? Length : sizeof(Text) - 1] = '\0';
    if (Level <= DbgLevel && DbgLevel != NATIVE_LOG_NONE) {
        GroundWrite(Text);
    }
    if (DbgLog != NULL) {
        DbgLog(Level, Text);
    }
    return STATUS_SUCCESS;
}

ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, ...)
{
    va_list Arguments;
    va_start(Arguments, Format);
    ULONG Status = vDbgPrintEx(ComponentId, Level, Format, Arguments);
    va_end(Arguments);
    return Status;
}

ULONG DbgPrint(PCSTR Format, ...)
{
    va_list Arguments;
    va_start(Arguments, Format);
    ULONG Status = vDbgPrintEx(DPFLTR_DEFAULT_ID, DPFLTR_INFO_LEVEL, Format, Arguments);
    va_end(Arguments);
    return Status;
}
