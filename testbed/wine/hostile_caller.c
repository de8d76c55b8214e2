/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * hostile_caller.exe: sends the adapter what libwnbd never would, from several
 * threads at once. It knows only wnbd_ioctl.h.
 *
 *   hostile_caller throw SEED COUNT PORT SILENT [--gone]   COUNT requests from each of four threads, while a fifth maps
 *                                    the server at PORT, and one that says nothing at SILENT; --gone: the adapter may
 *                                    go meanwhile
 *   hostile_caller access            opens the adapter without rights for reading or writing
 *   hostile_caller pend COUNT SILENT leaves COUNT requests pended and waits to be killed
 *   hostile_caller rename HEX PORT   maps under a name of these bytes, unchecked; prints error and text
 *
 * Exit status: 0 as it should be, 1 not, 2 wrong usage.
 */
#include <windows.h>

#include <setupapi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wnbd_ioctl.h>

#define THROWERS 4
#define GUARD 0xCC
#define PEND_MAX 64

static UINT32 Port, Silent;
static int Count;
static bool MayGo;
static volatile LONG Failures, ThrowersLeft;

static void Fail(const char *What, DWORD Error, ULONG Code)
{
    InterlockedIncrement(&Failures);
    fprintf(stderr, "%s: error %lu, command %lu\n", What, Error, Code);
}

static HANDLE Open(DWORD Access)
{
    union {
        SP_DEVICE_INTERFACE_DETAIL_DATA_W Detail;
        BYTE Bytes[1024];
    } Buffer;
    SP_DEVICE_INTERFACE_DATA Data = {.cbSize = sizeof(Data)};
    HDEVINFO Set = SetupDiGetClassDevsW(&WNBD_GUID, NULL, NULL, DIGCF_DEVICEINTERFACE | DIGCF_PRESENT);
    HANDLE Adapter = INVALID_HANDLE_VALUE;
    Buffer.Detail.cbSize = sizeof(Buffer.Detail);
    if (SetupDiEnumDeviceInterfaces(Set, NULL, &WNBD_GUID, 0, &Data) &&
        SetupDiGetDeviceInterfaceDetailW(Set, &Data, &Buffer.Detail, sizeof(Buffer), NULL, NULL)) {
        Adapter = CreateFileW(Buffer.Detail.DevicePath, Access, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                              FILE_FLAG_OVERLAPPED, NULL);
    }
    SetupDiDestroyDeviceInfoList(Set);
    return Adapter;
}

/* One request; cancelled CancelAfterMs after it pended, if that is not negative. */
static DWORD Send(HANDLE Adapter, DWORD Control, void *In, DWORD InBytes, void *Out, DWORD OutBytes, int CancelAfterMs,
                  DWORD *Used)
{
    OVERLAPPED Wait = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
    DWORD Error = ERROR_SUCCESS;
    *Used = 0;
    if (!DeviceIoControl(Adapter, Control, In, InBytes, Out, OutBytes, NULL, &Wait)) {
        Error = GetLastError();
    }
    if (Error == ERROR_IO_PENDING) {
        if (CancelAfterMs >= 0 && WaitForSingleObject(Wait.hEvent, (DWORD)CancelAfterMs) == WAIT_TIMEOUT) {
            CancelIoEx(Adapter, &Wait);
        }
        Error = ERROR_SUCCESS;
    }
    if (Error == ERROR_SUCCESS && !GetOverlappedResult(Adapter, &Wait, Used, TRUE)) {
        Error = GetLastError();
        *Used = 0;
    }
    CloseHandle(Wait.hEvent);
    return Error;
}

static void PropertiesFill(WNBD_PROPERTIES *Properties, const char *Name, UINT32 At)
{
    memset(Properties, 0, sizeof(*Properties));
    snprintf(Properties->InstanceName, sizeof(Properties->InstanceName), "%s", Name);
    strcpy(Properties->Owner, "hostile");
    strcpy(Properties->NbdProperties.Hostname, "127.0.0.1");
    Properties->NbdProperties.PortNumber = At;
    Properties->Flags.UseKernelNbd = 1;
}

static UINT32 Random(UINT64 *State)
{
    *State = *State * 6364136223846793005u + 1442695040888963407u;
    return (UINT32)(*State >> 33);
}

/* An error that some rule of wnbd_ioctl.h, the port driver's refusal of other codes, or a vanished adapter explains. */
static bool Explained(DWORD Error)
{
    switch (Error) {
    case ERROR_SUCCESS:
    case ERROR_INVALID_PARAMETER:
    case ERROR_INVALID_FUNCTION:
    case ERROR_FILE_NOT_FOUND:
    case ERROR_INSUFFICIENT_BUFFER:
    case ERROR_ACCESS_DENIED:
        return true;
    default:
        return MayGo;
    }
}

static void ThrowOne(HANDLE Adapter, UINT64 *State)
{
    static const ULONG Codes[] = {IOCTL_WNBD_PING,     IOCTL_WNBD_CREATE,        IOCTL_WNBD_REMOVE,
                                  IOCTL_WNBD_LIST,     IOCTL_WNBD_STATS,         IOCTL_WNBD_VERSION,
                                  IOCTL_WNBD_SHOW,     IOCTL_WNBD_CREATE_EX,     IOCTL_WNBD_FETCH_REQ,
                                  IOCTL_WNBD_SEND_RSP, IOCTL_WNBD_SET_DISK_SIZE, IOCTL_WNBD_STATS_EX};
    BYTE In[2048] = {0}, Out[6144 + 64];
    ULONG Code = Codes[Random(State) % (sizeof(Codes) / sizeof(Codes[0]))];
    DWORD Used, Control = WNBD_IOCTL_CONTROL_CODE, InBytes = Random(State) % sizeof(In);
    DWORD OutBytes = Random(State) % (sizeof(Out) - 64);
    switch (Random(State) % 6) {
    case 0:
        Code = Random(State);
        break;
    case 1:
        for (size_t Index = 4; Index < sizeof(In); Index++) {
            In[Index] = (BYTE)Random(State);
        }
        break;
    case 2:
        memset(In, 0xFF, sizeof(In));
        break;
    case 3:
        Control = (Random(State) & 0xFFFF3FFCu) | 0x00040000; /* METHOD_BUFFERED, any function */
        break;
    default:
        if (Code != IOCTL_WNBD_CREATE && Code != IOCTL_WNBD_CREATE_EX) {
            snprintf((char *)In + 4, 32, "hostile-%lu", (unsigned long)Random(State) % 3);
        }
    }
    memcpy(In, &Code, sizeof(Code));
    memset(Out, GUARD, sizeof(Out));
    DWORD Error = Send(Adapter, Control, In, InBytes, OutBytes ? Out : NULL, OutBytes, -1, &Used);
    if (Used > OutBytes || (Control == WNBD_IOCTL_CONTROL_CODE && !Explained(Error))) {
        Fail("throw", Error, Code);
    }
    for (size_t Index = OutBytes; Index < sizeof(Out); Index++) {
        if (Out[Index] != GUARD) {
            Fail("wrote behind the output buffer", Error, Code);
            break;
        }
    }
}

static DWORD WINAPI Thrower(void *Context)
{
    UINT64 State = (UINT64)(UINT_PTR)Context;
    HANDLE Adapter = Open(GENERIC_READ | GENERIC_WRITE);
    for (int Index = 0; Index < Count && Adapter != INVALID_HANDLE_VALUE; Index++) {
        ThrowOne(Adapter, &State);
    }
    if (Adapter == INVALID_HANDLE_VALUE) {
        if (!MayGo) {
            Fail("open", GetLastError(), 0);
        }
    } else {
        CloseHandle(Adapter);
    }
    InterlockedDecrement(&ThrowersLeft);
    return 0;
}

/* One disk there and back, or a request for one that is given up. */
static void MapOne(HANDLE Adapter, UINT64 *State)
{
    WNBD_IOCTL_CREATE_COMMAND Create = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    WNBD_IOCTL_REMOVE_COMMAND Remove = {.IoControlCode = IOCTL_WNBD_REMOVE};
    WNBD_CREATE_RESULT Result = {0};
    char Name[32];
    DWORD Used;
    bool GiveUp = Random(State) % 2 == 0;
    snprintf(Name, sizeof(Name), "hostile-%lu", (unsigned long)Random(State) % 3);
    PropertiesFill(&Create.Properties, Name, GiveUp ? Silent : Port);
    strcpy(Remove.InstanceName, Name);
    DWORD Error = Send(Adapter, WNBD_IOCTL_CONTROL_CODE, &Create, sizeof(Create), &Result, sizeof(Result),
                       GiveUp ? (int)(Random(State) % 30) : -1, &Used);
    if (GiveUp ? Error != ERROR_OPERATION_ABORTED && Error != ERROR_SUCCESS : Error != ERROR_SUCCESS) {
        if (!MayGo) {
            Fail("map", Error, IOCTL_WNBD_CREATE_EX);
        }
    }
    if (Error == ERROR_SUCCESS && Result.Status == ERROR_SUCCESS) {
        Send(Adapter, WNBD_IOCTL_CONTROL_CODE, &Remove, sizeof(Remove), NULL, 0, -1, &Used);
    }
}

static int Throw(UINT64 Seed)
{
    HANDLE Threads[THROWERS];
    UINT64 State = Seed;
    HANDLE Adapter = Open(GENERIC_READ | GENERIC_WRITE);
    ThrowersLeft = THROWERS;
    for (int Index = 0; Index < THROWERS; Index++) {
        Threads[Index] =
            CreateThread(NULL, 0, Thrower, (void *)(UINT_PTR)(Seed * THROWERS + (UINT64)Index + 1), 0, NULL);
    }
    printf("throwing\n");
    fflush(stdout);
    while (InterlockedCompareExchange(&ThrowersLeft, 0, 0) > 0) {
        MapOne(Adapter, &State);
    }
    WaitForMultipleObjects(THROWERS, Threads, TRUE, INFINITE);
    CloseHandle(Adapter);
    return Failures != 0;
}

/* The control code asks for both rights: the I/O manager refuses before the driver hears of it. */
static int Access(void)
{
    static const DWORD Rights[] = {0, GENERIC_READ, GENERIC_WRITE, GENERIC_READ | GENERIC_WRITE};
    for (int Index = 0; Index < 4; Index++) {
        WNBD_IOCTL_PING_COMMAND Ping = {IOCTL_WNBD_PING};
        DWORD Used;
        HANDLE Adapter = Open(Rights[Index]);
        if (Adapter == INVALID_HANDLE_VALUE) {
            return 1;
        }
        DWORD Error = Send(Adapter, WNBD_IOCTL_CONTROL_CODE, &Ping, sizeof(Ping), NULL, 0, -1, &Used);
        CloseHandle(Adapter);
        if (Error != (Index == 3 ? ERROR_SUCCESS : ERROR_ACCESS_DENIED)) {
            Fail("access", Error, (ULONG)Index);
        }
    }
    return Failures != 0;
}

static int Pend(void)
{
    static WNBD_IOCTL_CREATE_COMMAND Create[PEND_MAX];
    static WNBD_CREATE_RESULT Results[PEND_MAX];
    static OVERLAPPED Waits[PEND_MAX];
    HANDLE Adapter = Open(GENERIC_READ | GENERIC_WRITE);
    for (int Index = 0; Index < Count && Index < PEND_MAX; Index++) {
        char Name[32];
        snprintf(Name, sizeof(Name), "pended-%d", Index);
        Create[Index].IoControlCode = IOCTL_WNBD_CREATE_EX;
        PropertiesFill(&Create[Index].Properties, Name, Silent);
        if (DeviceIoControl(Adapter, WNBD_IOCTL_CONTROL_CODE, &Create[Index], sizeof(Create[Index]), &Results[Index],
                            sizeof(Results[Index]), NULL, &Waits[Index]) ||
            GetLastError() != ERROR_IO_PENDING) {
            return 1;
        }
    }
    printf("pended\n");
    fflush(stdout);
    Sleep(INFINITE);
    return 1;
}

static int Rename(const char *Hex)
{
    WNBD_IOCTL_CREATE_COMMAND Create = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    WNBD_CREATE_RESULT Result = {0};
    DWORD Used;
    HANDLE Adapter = Open(GENERIC_READ | GENERIC_WRITE);
    PropertiesFill(&Create.Properties, "", Port);
    for (size_t Index = 0; Hex[2 * Index] && Index < WNBD_MAX_NAME_LENGTH; Index++) {
        char Digits[3] = {Hex[2 * Index], Hex[2 * Index + 1], 0};
        Create.Properties.InstanceName[Index] = (CHAR)strtoul(Digits, NULL, 16);
    }
    DWORD Error = Send(Adapter, WNBD_IOCTL_CONTROL_CODE, &Create, sizeof(Create), &Result, sizeof(Result), -1, &Used);
    CloseHandle(Adapter);
    printf("%lu %lu %.*s\n", Error, (unsigned long)Result.Status, (int)sizeof(Result.Message), Result.Message);
    return 0;
}

int main(int ArgumentCount, char **Arguments)
{
    const char *Command = ArgumentCount > 1 ? Arguments[1] : "";
    if (strcmp(Command, "throw") == 0 && ArgumentCount >= 6) {
        Count = atoi(Arguments[3]);
        Port = (UINT32)atoi(Arguments[4]);
        Silent = (UINT32)atoi(Arguments[5]);
        MayGo = ArgumentCount > 6;
        return Throw(strtoull(Arguments[2], NULL, 10));
    }
    if (strcmp(Command, "access") == 0) {
        return Access();
    }
    if (strcmp(Command, "pend") == 0 && ArgumentCount == 4) {
        Count = atoi(Arguments[2]);
        Silent = (UINT32)atoi(Arguments[3]);
        return Pend();
    }
    if (strcmp(Command, "rename") == 0 && ArgumentCount == 4) {
        Port = (UINT32)atoi(Arguments[3]);
        return Rename(Arguments[2]);
    }
    return 2;
}
