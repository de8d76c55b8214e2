/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A program that uses the library as Ceph's rbd-wnbd does: C++, an import library that comes from libwnbd.def alone,
 * a class whose static callbacks find their object as the context, answers from other threads with an OVERLAPPED of
 * each thread's own, and a second process that looks and removes.
 *
 *   handler version             of the library
 *   handler serve NAME MIB      a disk in memory, until somebody removes it; reads of block 77 fail
 *   handler resize NAME MIB     serves, and makes the disk twice as large once Windows shows it
 *   handler show|stats|list|remove|stop NAME     what another process does
 */
#include <wnbd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace
{

constexpr UINT32 BlockSize = 512;
constexpr UINT64 BadBlock = 77;
constexpr int Answerers = 3;

class Handler
{
  public:
    Handler(const char *Name, UINT64 Mib) : InstanceName(Name), Memory(Mib << 20)
    {
        /* Room for a disk that grows. */
        Memory.reserve(Mib << 21);
    }

    ~Handler()
    {
        Shutdown();
        WnbdClose(Disk);
    }

    Handler(const Handler &) = delete;
    Handler &operator=(const Handler &) = delete;

    DWORD Start();
    DWORD Wait();
    DWORD Grow();
    void Shutdown();
    void PrintStats();

  private:
    /* What a request needs until it is answered. */
    struct Context {
        Handler *Owner;
        UINT64 Handle;
        WnbdRequestType Type;
        UINT64 From;
        UINT64 Size;
        WNBD_STATUS Status;
        std::vector<BYTE> Data;
    };

    static VOID Read(PWNBD_DISK Disk, UINT64 RequestHandle, PVOID Buffer, UINT64 BlockAddress, UINT32 BlockCount,
                     BOOLEAN ForceUnitAccess);
    static VOID Write(PWNBD_DISK Disk, UINT64 RequestHandle, PVOID Buffer, UINT64 BlockAddress, UINT32 BlockCount,
                      BOOLEAN ForceUnitAccess);
    static VOID Flush(PWNBD_DISK Disk, UINT64 RequestHandle, UINT64 BlockAddress, UINT32 BlockCount);
    static VOID Unmap(PWNBD_DISK Disk, UINT64 RequestHandle, PWNBD_UNMAP_DESCRIPTOR Descriptors, UINT32 Count);
    static const WNBD_INTERFACE Callbacks;

    static std::unique_ptr<Context> Begin(PWNBD_DISK Disk, WnbdRequestType Type, UINT64 Handle, UINT64 BlockAddress,
                                          UINT32 BlockCount);
    static DWORD WINAPI Answer(LPVOID Parameter);
    void Post(std::unique_ptr<Context> Request);
    void Execute(Context &Request);

    std::string InstanceName;
    std::vector<BYTE> Memory;
    PWNBD_DISK Disk = nullptr;
    std::deque<std::unique_ptr<Context>> Queue;
    SRWLOCK Lock = SRWLOCK_INIT;
    CONDITION_VARIABLE More = CONDITION_VARIABLE_INIT;
    std::vector<HANDLE> Threads;
    bool Terminated = false;
};

const WNBD_INTERFACE Handler::Callbacks = {Read, Write, Flush, Unmap, nullptr, nullptr, {nullptr}};

std::unique_ptr<Handler::Context> Handler::Begin(PWNBD_DISK Disk, WnbdRequestType Type, UINT64 Handle,
                                                 UINT64 BlockAddress, UINT32 BlockCount)
{
    Handler *Owner = nullptr;
    if (WnbdGetUserContext(Disk, (PVOID *)&Owner)) {
        abort();
    }
    auto Request = std::make_unique<Context>();
    Request->Owner = Owner;
    Request->Handle = Handle;
    Request->Type = Type;
    Request->From = BlockAddress * BlockSize;
    Request->Size = (UINT64)BlockCount * BlockSize;
    return Request;
}

VOID Handler::Read(PWNBD_DISK Disk, UINT64 RequestHandle, PVOID, UINT64 BlockAddress, UINT32 BlockCount, BOOLEAN)
{
    auto Request = Begin(Disk, WnbdReqTypeRead, RequestHandle, BlockAddress, BlockCount);
    Handler *Owner = Request->Owner;
    Owner->Post(std::move(Request));
}

VOID Handler::Write(PWNBD_DISK Disk, UINT64 RequestHandle, PVOID Buffer, UINT64 BlockAddress, UINT32 BlockCount,
                    BOOLEAN)
{
    auto Request = Begin(Disk, WnbdReqTypeWrite, RequestHandle, BlockAddress, BlockCount);
    Handler *Owner = Request->Owner;
    /* The buffer is the dispatcher's again at return. */
    Request->Data.assign((BYTE *)Buffer, (BYTE *)Buffer + Request->Size);
    Owner->Post(std::move(Request));
}

VOID Handler::Flush(PWNBD_DISK Disk, UINT64 RequestHandle, UINT64 BlockAddress, UINT32 BlockCount)
{
    auto Request = Begin(Disk, WnbdReqTypeFlush, RequestHandle, BlockAddress, BlockCount);
    Handler *Owner = Request->Owner;
    Owner->Post(std::move(Request));
}

VOID Handler::Unmap(PWNBD_DISK Disk, UINT64 RequestHandle, PWNBD_UNMAP_DESCRIPTOR Descriptors, UINT32 Count)
{
    if (Count != 1) {
        abort(); /* it has asked for one at a time */
    }
    auto Request =
        Begin(Disk, WnbdReqTypeUnmap, RequestHandle, Descriptors[0].BlockAddress, Descriptors[0].BlockCount);
    Handler *Owner = Request->Owner;
    Owner->Post(std::move(Request));
}

void Handler::Post(std::unique_ptr<Context> Request)
{
    AcquireSRWLockExclusive(&Lock);
    Queue.push_back(std::move(Request));
    ReleaseSRWLockExclusive(&Lock);
    WakeConditionVariable(&More);
}

void Handler::Execute(Context &Request)
{
    if (Request.From + Request.Size > Memory.size()) {
        WnbdSetSense(&Request.Status, 5, 0x21);
        return;
    }
    UINT64 First = Request.From / BlockSize;
    switch (Request.Type) {
    case WnbdReqTypeRead:
        Request.Data.assign(Memory.begin() + Request.From, Memory.begin() + Request.From + Request.Size);
        if (First <= BadBlock && BadBlock < First + Request.Size / BlockSize) {
            WnbdSetSenseEx(&Request.Status, 3, 0x11, BadBlock);
        }
        break;
    case WnbdReqTypeWrite:
        memcpy(Memory.data() + Request.From, Request.Data.data(), Request.Size);
        break;
    case WnbdReqTypeUnmap:
        memset(Memory.data() + Request.From, 0, Request.Size);
        break;
    default:
        break;
    }
}

/* A thread that answers: with the data that the request has, also where that is what was written. */
DWORD WINAPI Handler::Answer(LPVOID Parameter)
{
    auto *Owner = (Handler *)Parameter;
    OVERLAPPED Overlapped = {};
    Overlapped.hEvent = CreateEventA(nullptr, TRUE, TRUE, nullptr);
    for (;;) {
        AcquireSRWLockExclusive(&Owner->Lock);
        while (Owner->Queue.empty()) {
            SleepConditionVariableSRW(&Owner->More, &Owner->Lock, INFINITE, 0);
        }
        auto Request = std::move(Owner->Queue.front());
        Owner->Queue.pop_front();
        ReleaseSRWLockExclusive(&Owner->Lock);
        if (!Request) {
            break;
        }
        Owner->Execute(*Request);
        WNBD_IO_RESPONSE Response = {};
        Response.RequestHandle = Request->Handle;
        Response.RequestType = Request->Type;
        Response.Status = Request->Status;
        ResetEvent(Overlapped.hEvent);
        DWORD Error = WnbdSendResponseEx(Owner->Disk, &Response, Request->Data.data(), (UINT32)Request->Data.size(),
                                         &Overlapped);
        DWORD Bytes = 0;
        if (Error == ERROR_IO_PENDING) {
            Error = GetOverlappedResult(Owner->Disk->Handle, &Overlapped, &Bytes, TRUE) ? 0 : GetLastError();
        }
        if (Error) {
            fprintf(stderr, "the answer to %s was not taken: %lu\n", WnbdRequestTypeToStr(Request->Type), Error);
        }
    }
    CloseHandle(Overlapped.hEvent);
    return 0;
}

DWORD Handler::Start()
{
    WNBD_PROPERTIES Properties = {};
    InstanceName.copy(Properties.InstanceName, sizeof(Properties.InstanceName) - 1);
    strcpy(Properties.Owner, "ceph-rbd-wnbd");
    Properties.BlockCount = Memory.size() / BlockSize;
    Properties.BlockSize = BlockSize;
    Properties.MaxUnmapDescCount = 1;
    Properties.Flags.UnmapSupported = 1;
    Properties.Flags.FUASupported = 1;
    Properties.Flags.FlushSupported = 1;
    Properties.Flags.NaaIdSpecified = 1;
    Properties.NaaIdentifier.data[0] = 0x60;
    Properties.NaaIdentifier.data[15] = 0x42;
    DWORD Error = WnbdCreate(&Properties, (PWNBD_INTERFACE)&Callbacks, this, &Disk);
    if (Error) {
        return Error;
    }
    for (int Index = 0; Index < Answerers; Index++) {
        Threads.push_back(CreateThread(nullptr, 0, Answer, this, 0, nullptr));
    }
    return WnbdStartDispatcher(Disk, 4);
}

DWORD Handler::Wait()
{
    return WnbdWaitDispatcher(Disk);
}

DWORD Handler::Grow()
{
    DWORD Number = 0;
    DWORD Error = WnbdPollDiskNumber(InstanceName.c_str(), TRUE, TRUE, 60000, 100, &Number);
    if (Error) {
        return Error;
    }
    AcquireSRWLockExclusive(&Lock);
    Memory.resize(Memory.size() * 2); /* in its place: there is room */
    ReleaseSRWLockExclusive(&Lock);
    Error = WnbdSetDiskSize(Disk, Memory.size() / BlockSize);
    printf("resized to %llu blocks: %lu\n", (unsigned long long)Disk->Properties.BlockCount, Error);
    fflush(stdout);
    return Error;
}

void Handler::Shutdown()
{
    if (Disk && !Terminated) {
        WnbdRemove(Disk, nullptr); /* gone already, usually */
        Wait();
        Terminated = true;
    }
    for (size_t Index = 0; Index < Threads.size(); Index++) {
        Post(nullptr);
    }
    for (HANDLE Thread : Threads) {
        WaitForSingleObject(Thread, INFINITE);
        CloseHandle(Thread);
    }
    Threads.clear();
}

void Handler::PrintStats()
{
    WNBD_USR_STATS Stats = {};
    if (!WnbdGetUserspaceStats(Disk, &Stats)) {
        printf("received %llu, submitted %llu, replies %llu, read errors %llu, invalid %llu\n",
               (unsigned long long)Stats.TotalReceivedRequests, (unsigned long long)Stats.TotalSubmittedRequests,
               (unsigned long long)Stats.TotalReceivedReplies, (unsigned long long)Stats.ReadErrors,
               (unsigned long long)Stats.InvalidRequests);
    }
}

VOID LogMessage(WnbdLogLevel Level, const char *Message, const char *, UINT32, const char *Function)
{
    fprintf(stderr, "%s %s %s\n", Function, WnbdLogLevelToStr(Level), Message);
}

DWORD Serve(const char *Name, UINT64 Mib, bool Grow)
{
    Handler Own(Name, Mib);
    DWORD Error = Own.Start();
    if (!Error) {
        printf("serving\n");
        fflush(stdout);
        Error = Grow ? Own.Grow() : 0;
        Error = Error ? Error : Own.Wait();
        Own.PrintStats();
    }
    return Error;
}

DWORD List()
{
    DWORD Size = 0;
    DWORD Error = WnbdList(nullptr, &Size);
    std::vector<BYTE> Buffer(Size + sizeof(WNBD_CONNECTION_INFO));
    auto *Found = (PWNBD_CONNECTION_LIST)Buffer.data();
    Size = (DWORD)Buffer.size();
    Error = Error ? Error : WnbdList(Found, &Size);
    for (UINT32 Index = 0; !Error && Index < Found->Count; Index++) {
        printf("%s %s\n", Found->Connections[Index].Properties.InstanceName,
               Found->Connections[Index].Properties.Owner);
    }
    return Error;
}

DWORD Look(const std::string &What, const char *Name)
{
    DWORD Error = ERROR_INVALID_FUNCTION;
    if (What == "show") {
        WNBD_CONNECTION_INFO Info;
        Error = WnbdShow(Name, &Info);
        if (!Error) {
            printf("pid %d, %llu blocks, disconnecting %u\n", Info.Properties.Pid,
                   (unsigned long long)Info.Properties.BlockCount, Info.ConnectionFlags.Disconnecting);
        }
    } else if (What == "stats") {
        WNBD_DRV_STATS Stats;
        Error = WnbdGetDriverStats(Name, &Stats);
        if (!Error) {
            printf("received %lld, outstanding %lld\n", (long long)Stats.TotalReceivedIORequests,
                   (long long)Stats.OutstandingIOCount);
        }
    } else if (What == "list") {
        Error = List();
    } else if (What == "remove") {
        Error = WnbdRemoveEx(Name, nullptr);
    }
    return Error;
}

} /* namespace */

int main(int Count, char **Arguments)
{
    std::string What = Count > 1 ? Arguments[1] : "";
    WnbdSetLogger(LogMessage);
    WnbdSetLogLevel(WnbdLogLevelInfo);
    if (What == "version") {
        WNBD_VERSION Version = {};
        DWORD Error = WnbdGetLibVersion(&Version);
        printf("%s\n", Version.Description);
        return (int)Error;
    }
    if (Count == 4 && (What == "serve" || What == "resize")) {
        return (int)Serve(Arguments[2], strtoull(Arguments[3], nullptr, 10), What == "resize");
    }
    if (Count == 3) {
        return (int)Look(What, Arguments[2]);
    }
    /* Imported like the rest: what a program links must be there. */
    return (int)WnbdStopDispatcher(nullptr, nullptr) + (int)WnbdSendResponse(nullptr, nullptr, nullptr, 0);
}
