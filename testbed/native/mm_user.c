/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Memory of processes. Each region is mapped twice: where its process has it, and where the system finds pages that are
 * locked. So a process can take its addresses away, or the right to write there, while the system goes on with the
 * pages; and a driver that uses a process's address as its own is caught by the next free.
 */
#include "internal.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct USER_REGION {
    struct USER_REGION *Next;
    PEPROCESS Process;
    char *User; /* NULL: freed by its process */
    char *System;
    size_t Length; /* whole pages */
    bool Writable;
    unsigned Locks; /* MDLs */
} USER_REGION;

static GROUND_LOCK UserLock = GROUND_LOCK_INITIALIZER;
static USER_REGION *UserRegions;

void *NativeUserAllocate(PEPROCESS Process, size_t Length)
{
    USER_REGION *Region = calloc(1, sizeof(*Region));
    int File = memfd_create("user", MFD_CLOEXEC);
    Length = ROUND_TO_PAGES(Length);
    if (Region == NULL || File < 0 || ftruncate(File, (off_t)Length) != 0) {
        abort();
    }
    Region->Process = Process;
    Region->Length = Length;
    Region->Writable = true;
    Region->User = mmap(NULL, Length, PROT_READ | PROT_WRITE, MAP_SHARED, File, 0);
    Region->System = mmap(NULL, Length, PROT_READ | PROT_WRITE, MAP_SHARED, File, 0);
    close(File);
    if (Region->User == MAP_FAILED || Region->System == MAP_FAILED) {
        abort();
    }
    GroundLockEnter(&UserLock);
    Region->Next = UserRegions;
    UserRegions = Region;
    GroundLockLeave(&UserLock);
    return Region->User;
}

/* The region of Process, NULL: of any, that has the bytes. Under UserLock. */
static USER_REGION *UserFind(PEPROCESS Process, const char *Address, size_t Length)
{
    USER_REGION *Region = UserRegions;
    while (Region != NULL && (Region->User == NULL || (Process != NULL && Region->Process != Process) ||
                              Address < Region->User || (size_t)(Address - Region->User) >= Region->Length ||
                              Length > Region->Length - (size_t)(Address - Region->User))) {
        Region = Region->Next;
    }
    return Region;
}

/* Gives back what neither the process nor an MDL needs. Under UserLock. */
static void UserCollect(void)
{
    for (USER_REGION **Link = &UserRegions; *Link != NULL;) {
        USER_REGION *Region = *Link;
        if (Region->User != NULL || Region->Locks != 0) {
            Link = &Region->Next;
            continue;
        }
        *Link = Region->Next;
        munmap(Region->System, Region->Length);
        free(Region);
    }
}

/* Under UserLock. */
static void UserUnmap(USER_REGION *Region)
{
    munmap(Region->User, Region->Length);
    Region->User = NULL;
}

void NativeUserProtect(void *Address, bool Writable)
{
    GroundLockEnter(&UserLock);
    USER_REGION *Region = UserFind(NULL, Address, 1);
    NT_ASSERT(Region != NULL);
    Region->Writable = Writable;
    mprotect(Region->User, Region->Length, Writable ? PROT_READ | PROT_WRITE : PROT_READ);
    GroundLockLeave(&UserLock);
}

void NativeUserFree(void *Address)
{
    GroundLockEnter(&UserLock);
    USER_REGION *Region = UserFind(NULL, Address, 1);
    NT_ASSERT(Region != NULL);
    UserUnmap(Region);
    UserCollect();
    GroundLockLeave(&UserLock);
}

void UserProcessCheck(PEPROCESS Process)
{
    size_t Locked = 0;
    GroundLockEnter(&UserLock);
    for (USER_REGION *Region = UserRegions; Region != NULL; Region = Region->Next) {
        Locked += Region->Process == Process ? Region->Locks : 0;
    }
    GroundLockLeave(&UserLock);
    if (Locked != 0) {
        NtViolation(RULE_PROCESS_LOCKED, "process exit", "%zu MDLs still lock pages of process %u", Locked,
                    (unsigned)Process->Id);
    }
}

void UserProcessEnd(PEPROCESS Process)
{
    UserProcessCheck(Process);
    GroundLockEnter(&UserLock);
    for (USER_REGION *Region = UserRegions; Region != NULL; Region = Region->Next) {
        if (Region->Process == Process && Region->User != NULL) {
            UserUnmap(Region);
        }
    }
    UserCollect();
    GroundLockLeave(&UserLock);
}

char *UserPagesLock(const char *Address, size_t Length, bool Write)
{
    char *System = NULL;
    GroundLockEnter(&UserLock);
    USER_REGION *Region = UserFind(PsGetCurrentProcess(), Address, Length);
    if (Region != NULL && (!Write || Region->Writable)) {
        Region->Locks++;
        System = Region->System + (Address - Region->User);
    }
    GroundLockLeave(&UserLock);
    return System;
}

bool UserPagesUnlock(const char *System)
{
    GroundLockEnter(&UserLock);
    USER_REGION *Region = UserRegions;
    while (Region != NULL &&
           (System < Region->System || (size_t)(System - Region->System) >= Region->Length || Region->Locks == 0)) {
        Region = Region->Next;
    }
    if (Region != NULL) {
        Region->Locks--;
        UserCollect();
    }
    GroundLockLeave(&UserLock);
    return Region != NULL;
}
