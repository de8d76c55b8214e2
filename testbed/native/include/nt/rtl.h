/* SPDX-License-Identifier: LGPL-2.1-only */
/* Memory, lists, strings, interlocked operations, debug output. IRQL: any, unless said. */
#pragma once

#define RtlCopyMemory(Destination, Source, Length) memcpy((Destination), (Source), (Length))
#define RtlMoveMemory(Destination, Source, Length) memmove((Destination), (Source), (Length))
#define RtlZeroMemory(Destination, Length) memset((Destination), 0, (Length))
#define RtlFillMemory(Destination, Length, Fill) memset((Destination), (Fill), (Length))
#define RtlEqualMemory(A, B, Length) (memcmp((A), (B), (Length)) == 0)
#define RtlSecureZeroMemory(Destination, Length) memset((Destination), 0, (Length))

SIZE_T RtlCompareMemory(const VOID *A, const VOID *B, SIZE_T Length);

#define RtlUshortByteSwap(Value) __builtin_bswap16(Value)
#define RtlUlongByteSwap(Value) __builtin_bswap32(Value)
#define RtlUlonglongByteSwap(Value) __builtin_bswap64(Value)

/* ---- Doubly linked lists ---- */

static inline VOID InitializeListHead(PLIST_ENTRY Head)
{
    Head->Flink = Head->Blink = Head;
}

static inline BOOLEAN IsListEmpty(const LIST_ENTRY *Head)
{
    return Head->Flink == Head;
}

static inline BOOLEAN RemoveEntryList(PLIST_ENTRY Entry)
{
    PLIST_ENTRY Next = Entry->Flink, Previous = Entry->Blink;
    /* A list that is not one any more: fast fail FAST_FAIL_CORRUPT_LIST_ENTRY on Windows. */
    NT_ASSERT(Next->Blink == Entry && Previous->Flink == Entry);
    Previous->Flink = Next;
    Next->Blink = Previous;
    return Next == Previous;
}

static inline PLIST_ENTRY RemoveHeadList(PLIST_ENTRY Head)
{
    PLIST_ENTRY Entry = Head->Flink;
    RemoveEntryList(Entry);
    return Entry;
}

static inline PLIST_ENTRY RemoveTailList(PLIST_ENTRY Head)
{
    PLIST_ENTRY Entry = Head->Blink;
    RemoveEntryList(Entry);
    return Entry;
}

static inline VOID InsertTailList(PLIST_ENTRY Head, PLIST_ENTRY Entry)
{
    PLIST_ENTRY Last = Head->Blink;
    NT_ASSERT(Last->Flink == Head);
    Entry->Flink = Head;
    Entry->Blink = Last;
    Last->Flink = Entry;
    Head->Blink = Entry;
}

static inline VOID InsertHeadList(PLIST_ENTRY Head, PLIST_ENTRY Entry)
{
    PLIST_ENTRY First = Head->Flink;
    NT_ASSERT(First->Blink == Head);
    Entry->Flink = First;
    Entry->Blink = Head;
    First->Blink = Entry;
    Head->Flink = Entry;
}

/* ---- Event tracing ---- */

typedef ULONGLONG REGHANDLE, *PREGHANDLE;

typedef struct _EVENT_DESCRIPTOR {
    USHORT Id;
    UCHAR Version;
    UCHAR Channel;
    UCHAR Level;
    UCHAR Opcode;
    USHORT Task;
    ULONGLONG Keyword;
} EVENT_DESCRIPTOR, *PEVENT_DESCRIPTOR;
typedef const EVENT_DESCRIPTOR *PCEVENT_DESCRIPTOR;

typedef struct _EVENT_DATA_DESCRIPTOR {
    ULONGLONG Ptr;
    ULONG Size;
    ULONG Reserved;
} EVENT_DATA_DESCRIPTOR, *PEVENT_DATA_DESCRIPTOR;

typedef VOID (*PETWENABLECALLBACK)(LPCGUID SourceId, ULONG ControlCode, UCHAR Level, ULONGLONG MatchAnyKeyword,
                                   ULONGLONG MatchAllKeyword, PVOID FilterData, PVOID CallbackContext);

/* PASSIVE_LEVEL, in a system thread. */
NTSTATUS EtwRegister(LPCGUID ProviderId, PETWENABLECALLBACK EnableCallback, PVOID CallbackContext,
                     PREGHANDLE RegHandle);
NTSTATUS EtwUnregister(REGHANDLE RegHandle);
/* Any IRQL. */
BOOLEAN EtwEventEnabled(REGHANDLE RegHandle, PCEVENT_DESCRIPTOR EventDescriptor);
NTSTATUS EtwWrite(REGHANDLE RegHandle, PCEVENT_DESCRIPTOR EventDescriptor, LPCGUID ActivityId, ULONG UserDataCount,
                  PEVENT_DATA_DESCRIPTOR UserData);

static inline VOID EventDataDescCreate(PEVENT_DATA_DESCRIPTOR EventDataDescriptor, const VOID *DataPtr, ULONG DataSize)
{
    EventDataDescriptor->Ptr = (ULONGLONG)(ULONG_PTR)DataPtr;
    EventDataDescriptor->Size = DataSize;
    EventDataDescriptor->Reserved = 0;
}

NTSTATUS WmiTraceMessage(ULONG64 LoggerHandle, ULONG MessageFlags, LPCGUID MessageGuid, ULONG MessageNumber, ...);

/* ---- Interlocked operations: full barriers, as on Windows ---- */

#define InterlockedIncrement(Target) __atomic_add_fetch((Target), 1, __ATOMIC_SEQ_CST)
#define InterlockedDecrement(Target) __atomic_sub_fetch((Target), 1, __ATOMIC_SEQ_CST)
#define InterlockedExchange(Target, Value) __atomic_exchange_n((Target), (Value), __ATOMIC_SEQ_CST)
#define InterlockedExchangeAdd(Target, Value) __atomic_fetch_add((Target), (Value), __ATOMIC_SEQ_CST)
#define InterlockedAdd(Target, Value) __atomic_add_fetch((Target), (Value), __ATOMIC_SEQ_CST)
#define InterlockedAnd(Target, Value) __atomic_fetch_and((Target), (Value), __ATOMIC_SEQ_CST)
#define InterlockedOr(Target, Value) __atomic_fetch_or((Target), (Value), __ATOMIC_SEQ_CST)
#define InterlockedXor(Target, Value) __atomic_fetch_xor((Target), (Value), __ATOMIC_SEQ_CST)
#define InterlockedIncrement64(Target) InterlockedIncrement(Target)
#define InterlockedDecrement64(Target) InterlockedDecrement(Target)
#define InterlockedExchange64(Target, Value) InterlockedExchange((Target), (Value))
#define InterlockedExchangeAdd64(Target, Value) InterlockedExchangeAdd((Target), (Value))
#define InterlockedAdd64(Target, Value) InterlockedAdd((Target), (Value))
#define InterlockedAnd64(Target, Value) InterlockedAnd((Target), (Value))
#define InterlockedOr64(Target, Value) InterlockedOr((Target), (Value))
#define InterlockedExchangePointer(Target, Value) __atomic_exchange_n((Target), (Value), __ATOMIC_SEQ_CST)

static inline LONG InterlockedCompareExchange(volatile LONG *Target, LONG Value, LONG Comparand)
{
    __atomic_compare_exchange_n(Target, &Comparand, Value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return Comparand;
}

static inline LONG64 InterlockedCompareExchange64(volatile LONG64 *Target, LONG64 Value, LONG64 Comparand)
{
    __atomic_compare_exchange_n(Target, &Comparand, Value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return Comparand;
}

static inline PVOID InterlockedCompareExchangePointer(PVOID volatile *Target, PVOID Value, PVOID Comparand)
{
    __atomic_compare_exchange_n(Target, &Comparand, Value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return Comparand;
}

#define ReadAcquire(Source) __atomic_load_n((Source), __ATOMIC_ACQUIRE)
#define ReadNoFence(Source) __atomic_load_n((Source), __ATOMIC_RELAXED)
#define ReadAcquire64(Source) __atomic_load_n((Source), __ATOMIC_ACQUIRE)
#define ReadNoFence64(Source) __atomic_load_n((Source), __ATOMIC_RELAXED)
#define WriteRelease(Target, Value) __atomic_store_n((Target), (Value), __ATOMIC_RELEASE)
#define WriteNoFence(Target, Value) __atomic_store_n((Target), (Value), __ATOMIC_RELAXED)
#define WriteRelease64(Target, Value) __atomic_store_n((Target), (Value), __ATOMIC_RELEASE)
#define WriteNoFence64(Target, Value) __atomic_store_n((Target), (Value), __ATOMIC_RELAXED)
#define KeMemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define MemoryBarrier() KeMemoryBarrier()
#define YieldProcessor() __builtin_ia32_pause()

/* ---- Strings: PASSIVE_LEVEL where the page says so ---- */

#define RTL_CONSTANT_STRING(Text) {sizeof(Text) - sizeof((Text)[0]), sizeof(Text), (Text)}
#define DECLARE_CONST_UNICODE_STRING(Name, Text)                                                                       \
    static const WCHAR Name##Buffer[] = Text;                                                                          \
    static const UNICODE_STRING Name = {sizeof(Text) - sizeof(WCHAR), sizeof(Text), (PWSTR)Name##Buffer}
#define DECLARE_UNICODE_STRING_SIZE(Name, Size)                                                                        \
    WCHAR Name##Buffer[Size];                                                                                          \
    UNICODE_STRING Name = {0, (Size) * sizeof(WCHAR), Name##Buffer}

VOID RtlInitUnicodeString(PUNICODE_STRING Destination, PCWSTR Source);
VOID RtlFreeUnicodeString(PUNICODE_STRING String);
NTSTATUS RtlAppendUnicodeToString(PUNICODE_STRING Destination, PCWSTR Source);
NTSTATUS RtlUTF8ToUnicodeN(PWSTR Destination, ULONG SizeBytes, PULONG UsedBytes, PCSTR Source, ULONG SourceBytes);
NTSTATUS RtlUnicodeToUTF8N(PSTR Destination, ULONG SizeBytes, PULONG UsedBytes, PCWSTR Source, ULONG SourceBytes);
#define wcslen NativeWcslen /* the C library's counts characters of four bytes */
SIZE_T NativeWcslen(const WCHAR *Text);
int _snprintf(char *Buffer, SIZE_T Size, const char *Format, ...);
int _vsnprintf(char *Buffer, SIZE_T Size, const char *Format, va_list Arguments);

/* Debug output: IHVDRIVER messages go to stderr and NativeLog (../native.h). */
#define DPFLTR_SYSTEM_ID 0
#define DPFLTR_IHVDRIVER_ID 77
#define DPFLTR_DEFAULT_ID 101
#define DPFLTR_ERROR_LEVEL 0
#define DPFLTR_WARNING_LEVEL 1
#define DPFLTR_TRACE_LEVEL 2
#define DPFLTR_INFO_LEVEL 3
ULONG DbgPrint(PCSTR Format, ...);
ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, ...);
ULONG vDbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, va_list Arguments);
#define KdPrint(Arguments) DbgPrint Arguments
#define KdPrintEx(Arguments) DbgPrintEx Arguments
