/* SPDX-License-Identifier: LGPL-2.1-only */
/* flight.h. */
#include "flight.h"

#include <stdlib.h>

void FlightBegin(FLIGHT *Flight, DISK *Disk, uint32_t Depth, uint32_t LengthBytes)
{
    UCHAR Cdb[16];
    uint32_t Blocks = LengthBytes / Disk->BlockSize;
    CHECK(Depth <= FLIGHT_DEPTH_MAX);
    Flight->Depth = Depth;
    for (uint32_t Index = 0; Index < Depth; Index++) {
        bool Write = Index % 2 == 0;
        UCHAR *Data = malloc(LengthBytes);
        CHECK(Data != NULL);
        memset(Data, (int)Index, LengthBytes);
        Flight->Data[Index] = Data;
        DiskCdb16(Cdb, Write ? 0x8A : 0x88, (uint64_t)Index * Blocks, Blocks, false);
        DiskBegin(Disk, &Flight->Io[Index], Index % 3 == 0, Cdb, 16, Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN,
                  Data, LengthBytes);
    }
}

unsigned FlightEnd(FLIGHT *Flight)
{
    unsigned Lost = 0;
    for (uint32_t Index = 0; Index < Flight->Depth; Index++) {
        UCHAR Status = DiskWait(&Flight->Io[Index], NULL);
        CHECK(Status == SRB_STATUS_SUCCESS || Status == SRB_STATUS_NO_DEVICE || Status == SRB_STATUS_BUS_RESET);
        Lost += Status != SRB_STATUS_SUCCESS;
        free(Flight->Data[Index]);
    }
    return Lost;
}
