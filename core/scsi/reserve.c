/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * PERSISTENT RESERVE IN and OUT of SPC-4. Who has reserved what only the
 * backend knows, which may share the medium with others: here a command is
 * checked as far as its CDB goes and passed on.
 *
 * Threads: reentrant. IRQL: <= DISPATCH_LEVEL, not pageable.
 */
#include "scsi/command.h"

#define SERVICE_ACTION 0x1Fu

/* PERSISTENT RESERVE IN: READ KEYS is 0 */
#define READ_FULL_STATUS 0x03u

/* PERSISTENT RESERVE OUT */
#define REGISTER 0x00u
#define REGISTER_AND_MOVE 0x07u
#define REPLACE_LOST_RESERVATION 0x08u

#define LIST_LENGTH 24u /* without the TransportIDs that some service actions can carry */

void ScsiPersistentReserveIn(const SCSI_COMMAND *Command)
{
    const CDB_PERSISTENT_RESERVE_IN *Cdb = Command->Cdb;
    uint8_t ServiceAction = Cdb->ServiceAction & SERVICE_ACTION;
    size_t Allocation = Be16Load(Cdb->Allocation);
    size_t Room = ScsiRoom(Command);

    if (ServiceAction > READ_FULL_STATUS) {
        ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
        return;
    }
    Command->Result->Action = SCSI_ACTION_PERSISTENT_RESERVE_IN;
    Command->Result->ServiceAction = ServiceAction;
    Command->Result->DataLength = Allocation < Room ? Allocation : Room;
}

/*
 * 24 bytes, and only REGISTER (with SPEC_I_PT, in the list) and REGISTER AND
 * MOVE can have TransportIDs behind them (SPC-4, basic PERSISTENT RESERVE OUT
 * parameter list). The list has to be there, and to have a length of 16 bits,
 * as a backend is told it.
 */
static bool IsListLength(const SCSI_COMMAND *Command, uint8_t ServiceAction, uint32_t ListLength)
{
    bool CanBeLonger = ServiceAction == REGISTER || ServiceAction == REGISTER_AND_MOVE;

    return ListLength >= LIST_LENGTH && (CanBeLonger || ListLength == LIST_LENGTH) && ListLength <= UINT16_MAX &&
           ListLength <= ScsiRoom(Command);
}

void ScsiPersistentReserveOut(const SCSI_COMMAND *Command)
{
    const CDB_PERSISTENT_RESERVE_OUT *Cdb = Command->Cdb;
    uint8_t ServiceAction = Cdb->ServiceAction & SERVICE_ACTION;
    uint32_t ListLength = Be32Load(Cdb->ListLength);

    if (ServiceAction > REPLACE_LOST_RESERVATION) {
        ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
        return;
    }
    if (!IsListLength(Command, ServiceAction, ListLength)) {
        ScsiRefuse(Command, &ScsiParameterListLength);
        return;
    }
    Command->Result->Action = SCSI_ACTION_PERSISTENT_RESERVE_OUT;
    Command->Result->ServiceAction = ServiceAction;
    Command->Result->Scope = Cdb->ScopeType >> 4;
    Command->Result->Type = Cdb->ScopeType & 0x0Fu;
    Command->Result->DataLength = ListLength;
}
