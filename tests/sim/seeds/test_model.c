/* SPDX-License-Identifier: LGPL-2.1-only */
/* model.h: what it lets pass and what it finds. Sector 0 of a disk of 8; values are written by name. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(Condition)                                                                                              \
    do {                                                                                                               \
        if (!(Condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #Condition);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static MODEL Model;
static unsigned char Bytes[SECTOR_BYTES];

static void Begin(void)
{
    ModelMake(&Model, 8);
}

static uint64_t Write(void)
{
    uint64_t Value = ModelValue(&Model);
    ModelWriteBegin(&Model, 0, 1, Value);
    return Value;
}

static void Written(uint64_t Value, bool Done, bool Stable)
{
    ModelWriteEnd(&Model, 0, 1, Value, Done, Stable);
}

static const unsigned char *Content(uint64_t Value)
{
    memset(Bytes, 0, sizeof(Bytes));
    if (Value != 0) {
        ModelFill(Value, 0, 1, Bytes);
    }
    return Bytes;
}

static bool Reads(uint64_t Value)
{
    return ModelReadEnd(&Model, ModelReadBegin(&Model), 0, 1, Content(Value));
}

static bool Survives(uint64_t Value)
{
    MEDIUM Medium = {.Now = calloc(8, SECTOR_BYTES)};
    EXPECT(Medium.Now != NULL);
    memcpy(Medium.Now, Content(Value), SECTOR_BYTES);
    bool Good = ModelCheckMedium(&Model, &Medium, true);
    free(Medium.Now);
    return Good;
}

static void TestOrder(void)
{
    Begin();
    uint64_t A = Write();
    EXPECT(Reads(0) && Reads(A)); /* under way: old, then new */
    EXPECT(!Reads(0));            /* and never old again */
    Written(A, true, false);
    uint64_t B = Write(), C = Write();
    Written(B, true, false);
    EXPECT(!Reads(A)); /* replaced by one that has succeeded */
    Written(C, true, false);
    EXPECT(Reads(B)); /* of two at once, either is the last */
    EXPECT(!Reads(C));
    ModelFree(&Model);
}

static void TestConcurrentRead(void)
{
    Begin();
    uint64_t Read = ModelReadBegin(&Model);
    uint64_t A = Write();
    Written(A, true, false);
    EXPECT(ModelReadEnd(&Model, Read, 0, 1, Content(0))); /* from before */
    Read = ModelReadBegin(&Model);
    uint64_t B = Write();
    Written(B, true, false);
    uint64_t C = Write();
    EXPECT(ModelReadEnd(&Model, Read, 0, 1, Content(C))); /* from the last that began */
    ModelFree(&Model);
}

static void TestFailed(void)
{
    Begin();
    uint64_t A = Write();
    Written(A, false, false);
    EXPECT(Reads(0));  /* it didn't happen, */
    EXPECT(!Reads(A)); /* and happens no more */
    uint64_t B = Write();
    Written(B, false, false);
    EXPECT(Reads(B));
    EXPECT(!Reads(0));
    uint64_t C = Write();
    Written(C, true, false);
    EXPECT(!Reads(B));
    ModelFree(&Model);
}

static void TestBytes(void)
{
    Begin();
    uint64_t A = Write();
    Written(A, true, false);
    Content(A);
    Bytes[511] ^= 1;
    EXPECT(!ModelReadEnd(&Model, ModelReadBegin(&Model), 0, 1, Bytes)); /* torn */
    ModelFill(A, 1, 1, Bytes);
    EXPECT(!ModelReadEnd(&Model, ModelReadBegin(&Model), 0, 1, Bytes)); /* another sector's */
    EXPECT(!Reads(A + 1));                                              /* written by nobody */
    ModelFree(&Model);
}

static void TestPower(void)
{
    for (int Case = 0; Case < 6; Case++) {
        Begin();
        uint64_t A = Write();
        Written(A, true, true);
        uint64_t Early = ModelFlushBegin(&Model);
        uint64_t B = Write();
        Written(B, true, false);
        switch (Case) {
        case 0: /* FUA survives, what came before it doesn't */
            EXPECT(!Survives(0));
            break;
        case 1: /* written, not flushed: may be lost, may be kept */
            EXPECT(Survives(A));
            break;
        case 2:
            EXPECT(Survives(B) && Reads(B) && !Reads(A));
            break;
        case 3: /* a flush that began before the write's end says nothing of it */
            ModelFlushEnd(&Model, Early);
            EXPECT(Survives(A));
            break;
        case 4:
            ModelFlushEnd(&Model, ModelFlushBegin(&Model));
            EXPECT(!Survives(A));
            break;
        default: /* a trim may be lost or kept, and never takes more than its sectors' promise */
            ModelFlushEnd(&Model, ModelFlushBegin(&Model));
            ModelTrimEnd(&Model, 0, 1, ModelTrimBegin(&Model, 0, 1));
            EXPECT(Reads(B) && Survives(0));
            break;
        }
        ModelFree(&Model);
    }
}

int main(void)
{
    TestOrder();
    TestConcurrentRead();
    TestFailed();
    TestBytes();
    TestPower();
    printf("ok\n");
    return 0;
}
