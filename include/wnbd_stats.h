/* SPDX-License-Identifier: LGPL-2.1-only */
/**
 * @file
 * WNBD: bytes and latencies of a disk's operations. An addition to the published interface, and a part of wnbd_ioctl.h,
 * which includes it and whose rules are its own.
 */
#pragma once

/**
 * Counters of a disk, and for each kind of operation its bytes and latencies, all of one moment. In:
 * WNBD_IOCTL_STATS_COMMAND with IoControlCode 65; out: WNBD_DRV_STATS_EX. ERROR_FILE_NOT_FOUND. An older driver answers
 * ERROR_INVALID_FUNCTION.
 */
#define IOCTL_WNBD_STATS_EX 65

/** What Windows asked for, as WNBD_DRV_STATS_EX counts it. */
typedef enum {
    WnbdOperationRead = 0,  /**< READ */
    WnbdOperationWrite = 1, /**< WRITE */
    WnbdOperationFlush = 2, /**< SYNCHRONIZE CACHE */
    WnbdOperationUnmap = 3, /**< UNMAP */
    WnbdOperationOther = 4  /**< VERIFY, PERSISTENT RESERVE IN and OUT */
} WnbdOperation;
WNBD_ASSERT_SZ_EQ(WnbdOperation, 4);

#define WNBD_OPERATION_COUNT 5  /**< Values of WnbdOperation. */
#define WNBD_LATENCY_BUCKETS 28 /**< Elements of Latencies. */

/**
 * One kind of operation since the disk was made. Requests are Windows' own, however many went to the server or process
 * for them; a write with FUA is one, whatever it is made of. Latencies are from when the driver got the request to its
 * end, by the clock of the time stamps, but without the machine's sleep. It goes in steps of up to 15.6 ms: a single
 * request's latency is as coarse, the sum of many is right.
 */
typedef struct {
    UINT64 Completed;   /**< ended with an answer, good or bad */
    UINT64 Failed;      /**< of these: with an error */
    UINT64 Aborted;     /**< ended without: by a reset, or with the disk; neither bytes nor latency of them count */
    UINT64 Bytes;       /**< of the disk that were read, written, unmapped or verified by those that did not fail */
    UINT64 LatencySum;  /**< of those completed, 100 ns units */
    UINT64 Reserved[3]; /**< 0 */
    /** Those completed, by latency: element N has those that took at most 2^N us and more than 2^(N-1); the first
     * all up to 1 us, the last all that took longer than the one before has. Their sum is Completed. */
    UINT64 Latencies[WNBD_LATENCY_BUCKETS];
} WNBD_OPERATION_STATS, *PWNBD_OPERATION_STATS;
WNBD_ASSERT_SZ_EQ(WNBD_OPERATION_STATS, 288);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_OPERATION_STATS, Failed, 8, Aborted, 16, Bytes, 24);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_OPERATION_STATS, LatencySum, 32, Reserved, 40, Latencies, 64);

#define WNBD_STATS_VERSION 1 /**< The present one. */

/**
 * Answer to IOCTL_WNBD_STATS_EX. What is added later stands in place of Reserved members, or behind the others where
 * the buffer has room for it, with a higher Version. Always: Counters.TotalReceivedIORequests is the sum of all
 * Completed and Aborted and Counters.OutstandingIOCount.
 */
typedef struct {
    UINT32 Version;                  /**< WNBD_STATS_VERSION of the driver */
    UINT32 SizeBytes;                /**< that the driver has filled */
    WNBD_CONNECTION_ID ConnectionId; /**< of this life of the disk */
    UINT64 Timestamp;                /**< when it was read, by the clock of the other time stamps */
    UINT64 Reserved[5];              /**< 0 */
    WNBD_DRV_STATS Counters;         /**< as IOCTL_WNBD_STATS has them */
    WNBD_OPERATION_STATS Operations[WNBD_OPERATION_COUNT]; /**< by WnbdOperation */
} WNBD_DRV_STATS_EX, *PWNBD_DRV_STATS_EX;
WNBD_ASSERT_SZ_EQ(WNBD_DRV_STATS_EX, 1696);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_DRV_STATS_EX, SizeBytes, 4, ConnectionId, 8, Timestamp, 16);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_DRV_STATS_EX, Reserved, 24, Counters, 64, Operations, 256);
