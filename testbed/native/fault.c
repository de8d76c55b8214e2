/* SPDX-License-Identifier: LGPL-2.1-only */
/* Calls that can fail, failed on purpose: native.h, NATIVE_FAULTS. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

static NATIVE_FAULTS *Faults;
static bool FaultGiven;
static GROUND_LOCK FaultLock = GROUND_LOCK_INITIALIZER;

void FaultStart(NATIVE_FAULTS *Plan)
{
    Faults = Plan;
    FaultGiven = false;
}

/* FNV-1a over the frames. */
static uint64_t FaultKey(const uint64_t *Frames, size_t Count)
{
    uint64_t Key = 0xCBF29CE484222325u;
    for (size_t Index = 0; Index < Count; Index++) {
        Key = (Key ^ Frames[Index]) * 0x100000001B3u;
    }
    return Key;
}

/* Under the lock. Forked processes share the plan, so that a place is complete before it counts. */
static void FaultRecord(uint64_t Key, const char *Function, const uint64_t *Frames, size_t Count)
{
    LONG Known = ReadAcquire(&Faults->Count);
    for (LONG Index = 0; Index < Known; Index++) {
        if (Faults->Places[Index].Key == Key) {
            return;
        }
    }
    if (Known == NATIVE_FAULT_PLACES) {
        NativeStopWith("more call stacks than NATIVE_FAULT_PLACES");
    }
    NATIVE_FAULT_PLACE *Place = &Faults->Places[Known];
    Place->Key = Key;
    snprintf(Place->Function, sizeof(Place->Function), "%s", Function);
    Place->FrameCount = Count;
    memcpy(Place->Frames, Frames, Count * sizeof(*Frames));
    WriteRelease(&Faults->Count, Known + 1);
}

/* The first call of the place that has to fail. */
static bool FaultAtTarget(const char *Function)
{
    uint64_t Frames[NATIVE_FAULT_FRAMES];
    size_t Count = GroundFrames(Frames, NATIVE_FAULT_FRAMES);
    uint64_t Key = FaultKey(Frames, Count);
    GroundLockEnter(&FaultLock);
    FaultRecord(Key, Function, Frames, Count);
    bool First = Key == Faults->Target && !FaultGiven;
    FaultGiven |= First;
    GroundLockLeave(&FaultLock);
    return First;
}

bool Fault(const char *Function)
{
    if (Faults == NULL || KeGetCurrentThread()->FaultsSpared != 0) {
        return false;
    }
    bool Fail = Faults->Chosen != NULL ? Faults->Chosen(Function)
                : Faults->OneIn != 0   ? GroundOneIn(Faults->OneIn)
                                       : FaultAtTarget(Function);
    if (Fail) {
        InterlockedIncrement(&Faults->Given);
        if (Faults->Failed != NULL) {
            Faults->Failed(Function);
        }
    }
    return Fail;
}

void NativeFaultPrint(const NATIVE_FAULT_PLACE *Place)
{
    char Text[600], Name[400];
    for (size_t Index = 0; Index < Place->FrameCount; Index++) {
        GroundFrameName(Place->Frames[Index], Name, sizeof(Name));
        snprintf(Text, sizeof(Text), "    #%zu %s\n", Index, Name);
        GroundWrite(Text);
    }
}
