/* SPDX-License-Identifier: LGPL-2.1-only */
/* A life's beginning and end: life.h. */
#include "life.h"

#include "invariants.h"
#include "settings.h"

#include <port.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool LifeVerbose;

static void Print(const SLOT *Slot, const char *Before, const char *Format, va_list Arguments)
{
    char Text[1400], Line[1500];
    vsnprintf(Text, sizeof(Text), Format, Arguments);
    snprintf(Line, sizeof(Line), "%s%.6f %s: %s\n", Before, (double)GroundNow() / 1e7, Slot == NULL ? "" : Slot->Name,
             Text);
    GroundWrite(Line);
}

void LifeSay(const SLOT *Slot, const char *Format, ...)
{
    va_list Arguments;
    uint64_t Now = GroundNow();
    SeededNote(Now);
    if (LifeVerbose) {
        va_start(Arguments, Format);
        Print(Slot, "", Format, Arguments);
        va_end(Arguments);
    } else {
        GroundNow(); /* as Print does: being watched changes nothing */
    }
}

void LifeFail(const SLOT *Slot, const char *Format, ...)
{
    va_list Arguments;
    va_start(Arguments, Format);
    Print(Slot, "simulation: ", Format, Arguments);
    va_end(Arguments);
    SeededReport();
    abort();
}

/* The driver answers resets whatever its server does: no reset may take so long that the host tries the next tier. */
static void LogLook(uint32_t Level, const char *Text)
{
    (void)Level;
    if (strstr(Text, "isn't answered") != NULL) {
        LifeFail(NULL, "%s", Text);
    }
    FaultsHear(Text);
}

/* What fails on purpose leads to errors, and those are no news. */
static uint32_t LogLevel(uint32_t FaultOneIn)
{
    return LifeVerbose ? DPFLTR_INFO_LEVEL : FaultOneIn != 0 ? NATIVE_LOG_NONE : DPFLTR_ERROR_LEVEL;
}

/* Which of the documented behaviours the host shows. */
static void HostDraw(void)
{
    PortOptions = (PORT_OPTIONS){.StartIoAtDispatch = SeededBelow(2) == 0,
                                 .StopBeforeServiceIrps = SeededBelow(2) == 0,
                                 .FindToRestart = SeededBelow(2) == 0,
                                 .ResetExcludesStartIo = SeededBelow(2) == 0,
                                 .FailMappingEvery = SeededBelow(4) == 0 ? 2 + SeededBelow(30) : 0};
    PortOptions.MissBusChanges = SeededBelow(4) == 0 ? (LONG)SeededBelow(4) : 0;
}

static void SlotsStart(LIFE *Life)
{
    Life->SlotCount = 1 + SeededBelow(LIFE_SLOTS_MOST);
    Life->SlotsLeft = Life->SlotCount;
    Life->Rounds = 1 + SeededBelow(3);
    Life->Operations = 20 + SeededBelow(120);
    for (uint32_t Index = 0; Index < Life->SlotCount; Index++) {
        SLOT *Slot = &Life->Slots[Index];
        Slot->Life = Life;
        Slot->Number = Index;
        Slot->Port = (uint16_t)(10809 + Index);
        snprintf(Slot->Name, sizeof(Slot->Name), "disk%u", Index);
        uint32_t Sectors = 8 * (1 + SeededBelow(SeededBelow(2) == 0 ? 8 : 500));
        MediumMake(&Slot->Medium, Sectors);
        ModelMake(&Slot->Model, Sectors);
        Slot->Thread = GroundThreadStart(SessionMain, Slot, "session");
    }
}

static void LifeEnd(LIFE *Life)
{
    if (!Life->Gone) {
        BedStop(&Life->Bed);
        return;
    }
    NativeClose(Life->Bed.File);
    NativePnpSettle();
    NativeDriverUnload(Life->Bed.Driver);
    NativeStop();
    CHECK(NativeLocksNested() == 0);
}

/* Where nothing fails, at once. */
static void LifeBegin(LIFE *Life)
{
    FAULTS Before = Life->Faults;
    while (!BedTryLoad(&Life->Bed)) {
        CHECK(FaultsAny(Life, &Before));
        Before = Life->Faults;
    }
}

uint64_t LifeRun(uint64_t Seed, uint32_t FaultOneIn)
{
    LIFE *Life = calloc(1, sizeof(*Life));
    CHECK(Life != NULL);
    SeededBegin(Seed);
    Life->Seed = Seed;
    Life->Processes = Seed % 3 == 0;
    HostDraw();
    InvariantsBegin();
    Life->LateCaptures = SeededBelow(8) == 0 ? 1 + SeededBelow(3) : 0;
    NativeStart(&(NATIVE_OPTIONS){.Seed = SeededNumber(),
                                  .Faults = FaultsBegin(Life, FaultOneIn),
                                  .WskSynchronousOneIn = SeededBelow(4),
                                  .WskShortReceiveOneIn = SeededBelow(3) == 0 ? 2 + SeededBelow(8) : 0,
                                  .WskLateCaptures = Life->LateCaptures,
                                  .LogLevel = LogLevel(FaultOneIn),
                                  .Log = LogLook});
    NativeRegistrySetDword(NATIVE_SERVICES "wnbd\\Parameters", "SendWindow", 1 + SeededBelow(8));
    NativeRegistrySetQword(SETTINGS_STATE, "LogLevel", 4); /* what the driver says excuses things: nothing is dropped */
    LifeBegin(Life);
    SlotsStart(Life);
    GROUND_THREAD *Chaos = GroundThreadStart(ChaosMain, Life, "chaos");
    for (uint32_t Index = 0; Index < Life->SlotCount; Index++) {
        GroundThreadJoin(Life->Slots[Index].Thread);
    }
    GroundThreadJoin(Chaos);
    LifeEnd(Life);
    CHECK(SimIsEmpty());
    for (uint32_t Index = 0; Index < Life->SlotCount; Index++) {
        MediumFree(&Life->Slots[Index].Medium);
        ModelFree(&Life->Slots[Index].Model);
    }
    PortOptions = (PORT_OPTIONS){0};
    SeededNote(Life->SrbsDone);
    free(Life);
    return SeededTrace();
}
