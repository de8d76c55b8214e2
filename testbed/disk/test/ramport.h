/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Control requests of ramport.sys, the port driver that the class driver is tested with: \\.\RamPort, METHOD_BUFFERED.
 * Plain C types, included by the driver and by ramctl.exe.
 */
#pragma once

#include <stdint.h>

#define RAMPORT_CODE(Function) (0x00220000u | (0x800u + (Function)) << 2)
#define RAMPORT_PLUG RAMPORT_CODE(0)   /* RAMPORT_DISK: a disk arrives */
#define RAMPORT_UNPLUG RAMPORT_CODE(1) /* the disk is gone without notice */
#define RAMPORT_SCRIPT RAMPORT_CODE(2) /* RAMPORT_ANSWER: what the next commands of a kind meet */
#define RAMPORT_RESIZE RAMPORT_CODE(3) /* uint64_t: the number of blocks from now on */
#define RAMPORT_HOLD RAMPORT_CODE(4)   /* commands are kept from now on */
#define RAMPORT_RELEASE RAMPORT_CODE(5)
#define RAMPORT_LOG RAMPORT_CODE(6)          /* out: RAMPORT_COMMAND[], the commands since the last such request */
#define RAMPORT_QUERY_REMOVE RAMPORT_CODE(7) /* asks the disk's stack whether it may be removed; cancels a yes */

typedef struct {
    uint64_t Blocks;
    uint32_t BlockBytes;
    uint32_t MaxTransferBytes;
    uint32_t MaxPages;
    uint32_t ReadOnly;   /* writes meet DATA PROTECT, mode pages have WP */
    uint32_t WriteCache; /* WCE in the caching page */
    uint32_t Fua;        /* DPOFUA */
} RAMPORT_DISK;

typedef struct {
    uint32_t Opcode;
    uint32_t Count;
    uint32_t SrbStatus; /* with 0x80: Key, Code, Qualifier become the sense */
    uint32_t ScsiStatus;
    uint32_t Key;
    uint32_t Code;
    uint32_t Qualifier;
    uint32_t Short; /* with success: this many bytes fewer are moved */
} RAMPORT_ANSWER;

typedef struct {
    uint8_t Cdb[16];
    uint32_t CdbBytes;
    uint32_t DataBytes;
    uint32_t SrbFlags;
    uint32_t MdlOffset; /* of the data in the IRP's MDL; 0xFFFFFFFF without data */
} RAMPORT_COMMAND;
