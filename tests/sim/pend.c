/* SPDX-License-Identifier: LGPL-2.1-only */
/* driver/pend.h by itself: who gets a pended request when it is taken, cancelled, or was cancelled before. */
#include <stdio.h>

#include "internal.h"
#include "native.h"
#include "pend.h"

#define CHECK(Condition)                                                                                               \
    do {                                                                                                               \
        if (!(Condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #Condition);                                    \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

static void Cancelled(PENDED *Pended)
{
    (void)Pended;
}

int main(void)
{
    PENDED Pended;
    NativeStart(&(NATIVE_OPTIONS){.Seed = 1});
    PendInitialize(&Pended, NULL, Cancelled);
    PIRP Irp = IoAllocateIrp(1, FALSE);
    Irp->Native->State = IRP_SENT; /* as by IoCallDriver */
    CHECK(PendTake(&Pended) == NULL);

    /* Taken once. */
    CHECK(PendIrp(&Pended, Irp));
    CHECK(Irp->CancelRoutine != NULL);
    CHECK(PendTake(&Pended) == Irp);
    CHECK(Irp->CancelRoutine == NULL);
    CHECK(PendTake(&Pended) == NULL);

    /* The cancel routine has been fetched by IoCancelIrp and has not run yet: the request is its. */
    CHECK(PendIrp(&Pended, Irp));
    CHECK(IoSetCancelRoutine(Irp, NULL) != NULL);
    CHECK(PendTake(&Pended) == NULL);

    /* Cancelled before it was pended, and nobody has seen a routine: the caller keeps it. */
    Irp->Cancel = TRUE;
    CHECK(!PendIrp(&Pended, Irp));
    CHECK(Irp->CancelRoutine == NULL);
    CHECK(PendTake(&Pended) == NULL);
    Irp->Native->State = IRP_OWNED;
    IoFreeIrp(Irp);
    NativeStop();
    printf("ok\n");
    return 0;
}
