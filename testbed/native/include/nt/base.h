/* SPDX-License-Identifier: LGPL-2.1-only */
/* Base types with Windows' sizes on an LP64 system, and what the NT headers' annotations become there: nothing. */
#pragma once

typedef void VOID, *PVOID;
typedef const void *PCVOID;
typedef char CHAR, *PCHAR, *PSTR, *PSZ, CCHAR;
typedef const char *PCSTR, *PCSZ;
typedef unsigned char UCHAR, *PUCHAR, BYTE, *PBYTE, BOOLEAN, *PBOOLEAN;
typedef const UCHAR *PCUCHAR;
typedef int16_t SHORT, *PSHORT, CSHORT;
typedef uint16_t USHORT, *PUSHORT, WORD;
typedef int32_t LONG, *PLONG, INT, BOOL;
typedef uint32_t ULONG, *PULONG, UINT, DWORD, *PDWORD;
typedef int8_t INT8;
typedef uint8_t UINT8, *PUINT8;
typedef int16_t INT16;
typedef uint16_t UINT16, *PUINT16;
typedef int32_t INT32, *PINT32, LONG32;
typedef uint32_t UINT32, *PUINT32, ULONG32, *PULONG32;
typedef long long LONGLONG, *PLONGLONG, INT64, *PINT64, LONG64, *PLONG64;
typedef unsigned long long ULONGLONG, *PULONGLONG, UINT64, *PUINT64, ULONG64, *PULONG64, DWORD64;
typedef long long LONG_PTR, *PLONG_PTR, INT_PTR, SSIZE_T;
typedef unsigned long long ULONG_PTR, *PULONG_PTR, UINT_PTR, SIZE_T, *PSIZE_T, KAFFINITY;
typedef wchar_t WCHAR, *PWCHAR, *PWSTR, *LPWSTR, *PWCH;
typedef const wchar_t *PCWSTR, *PCWCH, *LPCWSTR;
typedef PVOID HANDLE, *PHANDLE;
typedef LONG NTSTATUS, *PNTSTATUS;
typedef ULONG ACCESS_MASK, DEVICE_TYPE, LOGICAL;
typedef CHAR KPROCESSOR_MODE;
typedef UCHAR KIRQL, *PKIRQL;
typedef LONG KPRIORITY;

_Static_assert(sizeof(WCHAR) == 2, "compile with -fshort-wchar");
_Static_assert(sizeof(ULONG) == 4 && sizeof(ULONG_PTR) == 8 && sizeof(SIZE_T) == 8, "Windows x64 sizes");

typedef union _LARGE_INTEGER {
    struct {
        ULONG LowPart;
        LONG HighPart;
    };
    struct {
        ULONG LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER, PHYSICAL_ADDRESS, *PPHYSICAL_ADDRESS;

typedef union _ULARGE_INTEGER {
    struct {
        ULONG LowPart;
        ULONG HighPart;
    };
    ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef struct _GUID {
    ULONG Data1;
    USHORT Data2;
    USHORT Data3;
    UCHAR Data4[8];
} GUID, *LPGUID;
typedef const GUID *LPCGUID;

/* Defines the GUID in every file that says so: internal to it, so it needs no initguid.h to be first. */
#define DEFINE_GUID(Name, L, W1, W2, B1, B2, B3, B4, B5, B6, B7, B8)                                                   \
    static const GUID Name __attribute__((unused)) = {L, W1, W2, {B1, B2, B3, B4, B5, B6, B7, B8}}
#define IsEqualGUID(A, B) (memcmp((A), (B), sizeof(GUID)) == 0)
#define InlineIsEqualGUID(A, B) IsEqualGUID((A), (B))

typedef struct _LIST_ENTRY {
    struct _LIST_ENTRY *Flink;
    struct _LIST_ENTRY *Blink;
} LIST_ENTRY, *PLIST_ENTRY;

typedef struct _SINGLE_LIST_ENTRY {
    struct _SINGLE_LIST_ENTRY *Next;
} SINGLE_LIST_ENTRY, *PSINGLE_LIST_ENTRY;

typedef struct _UNICODE_STRING {
    USHORT Length;        /* bytes */
    USHORT MaximumLength; /* bytes */
    PWSTR Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
typedef const UNICODE_STRING *PCUNICODE_STRING;

typedef struct _STRING {
    USHORT Length;
    USHORT MaximumLength;
    PCHAR Buffer;
} STRING, *PSTRING, ANSI_STRING, *PANSI_STRING, UTF8_STRING, *PUTF8_STRING;
typedef const ANSI_STRING *PCANSI_STRING;

#define TRUE 1
#define FALSE 0
#define CONST const
#define MAXULONG 0xFFFFFFFFu
#define MAXUSHORT 0xFFFF
#define MAXUCHAR 0xFF
#define MAXLONG 0x7FFFFFFF
#define MAXLONGLONG 0x7FFFFFFFFFFFFFFFLL
#define UNICODE_NULL ((WCHAR)0)
#define ANYSIZE_ARRAY 1
#define MAX_PATH 260

/* Calling conventions: there is one on this ground. */
#define NTAPI
#define FASTCALL
#define CDECL
#define DDKAPI
#define NTSYSAPI
#define NTKERNELAPI
#define DECLSPEC_IMPORT
#define DECLSPEC_EXPORT
#define FORCEINLINE static inline __attribute__((always_inline))
#define NT_NOINLINE __attribute__((noinline))
#define DECLSPEC_ALIGN(Bytes) __attribute__((aligned(Bytes)))
#define DECLSPEC_NORETURN __attribute__((noreturn))
#define DECLSPEC_NOINLINE __attribute__((noinline))
#define UNALIGNED
#define RESTRICTED_POINTER
#define POINTER_ALIGNMENT

#define UNREFERENCED_PARAMETER(Parameter) ((void)(Parameter))
#define DBG_UNREFERENCED_PARAMETER(Parameter) ((void)(Parameter))
#define C_ASSERT(Expression) _Static_assert(Expression, #Expression)
#define CONTAINING_RECORD(Address, Type, Field) ((Type *)((PCHAR)(Address) - offsetof(Type, Field)))
#define FIELD_OFFSET(Type, Field) ((LONG)offsetof(Type, Field))
#define RTL_FIELD_SIZE(Type, Field) (sizeof(((Type *)0)->Field))
#define RTL_SIZEOF_THROUGH_FIELD(Type, Field) (offsetof(Type, Field) + RTL_FIELD_SIZE(Type, Field))
#define RTL_NUMBER_OF(Array) (sizeof(Array) / sizeof((Array)[0]))
#define ARRAYSIZE(Array) RTL_NUMBER_OF(Array)
#define ALIGN_DOWN_BY(Length, Alignment) ((ULONG_PTR)(Length) & ~((ULONG_PTR)(Alignment) - 1))
#define ALIGN_UP_BY(Length, Alignment) (ALIGN_DOWN_BY(((ULONG_PTR)(Length) + (Alignment) - 1), Alignment))
#define FlagOn(Flags, Flag) ((Flags) & (Flag))

/* SAL annotations, as far as they are used. */
#define _In_
#define _In_opt_
#define _In_z_
#define _In_reads_(Count)
#define _In_reads_bytes_(Bytes)
#define _In_reads_bytes_opt_(Bytes)
#define _In_range_(Low, High)
#define _Out_
#define _Out_opt_
#define _Outptr_
#define _Out_writes_(Count)
#define _Out_writes_bytes_(Bytes)
#define _Out_writes_to_(Count, Used)
#define _Inout_
#define _Inout_opt_
#define _Inout_updates_bytes_(Bytes)
#define _Ret_maybenull_
#define _Must_inspect_result_
#define _Check_return_
#define _Printf_format_string_
#define _Use_decl_annotations_
#define _IRQL_requires_(Irql)
#define _IRQL_requires_max_(Irql)
#define _IRQL_requires_min_(Irql)
#define _IRQL_requires_same_
#define _IRQL_raises_(Irql)
#define _IRQL_saves_
#define _IRQL_restores_
#define _IRQL_saves_global_(Kind, Parameter)
#define _IRQL_restores_global_(Kind, Parameter)
#define _Acquires_lock_(Lock)
#define _Releases_lock_(Lock)
#define _Requires_lock_held_(Lock)
#define _Requires_lock_not_held_(Lock)
#define _Guarded_by_(Lock)
#define _Interlocked_
#define _Function_class_(Class)
#define _Dispatch_type_(Type)
#define _Analysis_assume_(Expression)
#define __drv_aliasesMem
#define __drv_freesMem(Kind)
#define __drv_allocatesMem(Kind)

#define IN
#define OUT
#define OPTIONAL

/* ---- What this ground adds: see ../rules.h ---- */

/* Stops the process: an assertion of the driver or the host does not hold. */
DECLSPEC_NORETURN VOID NativeAssertFailed(const char *Expression, const char *File, int Line);

#define NT_ASSERT(Expression) ((Expression) ? (void)0 : NativeAssertFailed(#Expression, __FILE__, __LINE__))
#define ASSERT(Expression) NT_ASSERT(Expression)
#define ASSERTMSG(Message, Expression) NT_ASSERT(Expression)
#define NT_VERIFY(Expression) NT_ASSERT(Expression)

/* Checks that the IRQL allows pageable code [paged_code]. */
VOID NativePagedCode(const char *Function);
#define PAGED_CODE() NativePagedCode(__func__)

/*
 * Exception guards, as in ddk/nt.h: what the test bed raises (ExRaiseStatus,
 * ProbeFor*, MmProbeAndLockPages) is caught; a bad access is the sanitizer's.
 */
typedef struct _NATIVE_GUARD {
    jmp_buf Target;
    NTSTATUS Status;
    struct _NATIVE_GUARD *Outer;
} NATIVE_GUARD;
VOID NativeGuardEnter(NATIVE_GUARD *Guard);
VOID NativeGuardLeave(NATIVE_GUARD *Guard);

#define NT_TRY                                                                                                         \
    {                                                                                                                  \
        NATIVE_GUARD NtGuard;                                                                                          \
        NativeGuardEnter(&NtGuard);                                                                                    \
        if (setjmp(NtGuard.Target) == 0) {
#define NT_EXCEPT                                                                                                      \
    NativeGuardLeave(&NtGuard);                                                                                        \
    }                                                                                                                  \
    else                                                                                                               \
    {
#define NT_TRY_END                                                                                                     \
    }                                                                                                                  \
    }
#define NT_EXCEPTION_CODE() (NtGuard.Status)
