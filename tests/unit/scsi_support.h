/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the SCSI tests share. Commands run against heap buffers of exactly the
 * size they are told, so that the address sanitizer sees a byte too many.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scsi/scsi.h"

/* A byte string as pointer and length, for two arguments. */
#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

#define ZEROS_4 0, 0, 0, 0
#define ZEROS_8 ZEROS_4, ZEROS_4
#define ZEROS_16 ZEROS_8, ZEROS_8

/* Key, code and qualifier of the refusals, for three arguments. */
#define LIST_LENGTH_ERROR 0x05, 0x1A, 0x00
#define INVALID_OPCODE 0x05, 0x20, 0x00
#define OUT_OF_RANGE 0x05, 0x21, 0x00
#define INVALID_FIELD 0x05, 0x24, 0x00
#define INVALID_LIST 0x05, 0x26, 0x00
#define SAVING_NOT_SUPPORTED 0x05, 0x39, 0x00
#define WRITE_PROTECTED 0x07, 0x27, 0x00

/* 2048 blocks of 512 bytes, with write cache, FUA and UNMAP; serial number "disk-1". */
SCSI_DISK TestDisk(void);

/* Runs a command that moves or reads no data buffer but tells one of DataLength bytes (NULL). */
SCSI_RESULT Run(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, size_t DataLength);

/* The command is refused with this sense, with no data and no action, whatever the buffer. */
void ExpectRefused(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, uint8_t Key, uint8_t Asc, uint8_t Ascq);

/* The command ends with GOOD and no data at once. */
void ExpectDone(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength);

/*
 * The command answers Expected: whole, and cut at every length of the data
 * buffer; and, if AllocationSize is not 0, at every allocation length (that
 * many bytes at AllocationOffset in the CDB) from 0 to two more than there
 * are. What is behind the cut stays as it was.
 */
void ExpectAnswer(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, size_t AllocationOffset,
                  size_t AllocationSize, const uint8_t *Expected, size_t ExpectedLength);
