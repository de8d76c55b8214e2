/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The rules that a virtual miniport has to keep, in one table: identifier, what it asks, and the page of Microsoft's
 * documentation that says so. A breach is reported once, as a line
 *
 *     STORPORT-VIOLATION: <identifier>: <details> (<what the rule asks>) [<page>]
 *
 * and ends the process that hosts the miniport: what happens after a broken rule proves nothing.
 */
#pragma once

#include "nt.h"

#define PORT_RULES(X)                                                                                                  \
    X(INIT_SIZE, "HwInitializationDataSize is the size of a structure that this system knows", "StorPortInitialize")   \
    X(INIT_CALLBACKS, "a virtual miniport registers the required callbacks and none that it must not have",            \
      "HW_INITIALIZATION_DATA")                                                                                        \
    X(INIT_VIRTUAL, "a virtual miniport asks for Internal and STOR_FEATURE_VIRTUAL_MINIPORT",                          \
      "Implementing a Storport virtual miniport driver")                                                               \
    X(INIT_FIELDS, "unused members of HW_INITIALIZATION_DATA are zero and the fixed ones have their values",           \
      "StorPortInitialize")                                                                                            \
    X(INIT_SRB_TYPE, "SrbTypeFlags and AddressTypeFlags name kinds that exist", "HW_INITIALIZATION_DATA")              \
    X(FIND_RESULT, "HwFindAdapter returns one of the four SP_RETURN values", "rule SpReturnValue")                     \
    X(FIND_VIRTUAL_DEVICE, "VirtualDevice is TRUE when HwFindAdapter returns", "rule StorPortVirtualDevice2")          \
    X(FIND_LIMITS, "HwFindAdapter sets MaximumTransferLength and NumberOfPhysicalBreaks", "rule StorPortFindAdapter")  \
    X(FIND_BREAKS, "NumberOfPhysicalBreaks allows for MaximumTransferLength: one page more for unaligned buffers",     \
      "PORT_CONFIGURATION_INFORMATION")                                                                                \
    X(FIND_PRESET, "members that Storport sets and a miniport must not modify keep their values",                      \
      "PORT_CONFIGURATION_INFORMATION")                                                                                \
    X(FIND_BUSES, "NumberOfBuses is 1 to 255, MaximumNumberOfTargets and -LogicalUnits at most 255",                   \
      "PORT_CONFIGURATION_INFORMATION")                                                                                \
    X(FIND_DUPLEX, "SynchronizationModel is full duplex", "rule SpDuplex")                                             \
    X(FIND_MAX_IO, "more than 1000 requests per adapter need 64-bit DMA addresses", "PORT_CONFIGURATION_INFORMATION")  \
    X(FIND_LUN_IO, "more than 255 requests per unit need STORAGE_REQUEST_BLOCK; per unit at most as per adapter",      \
      "PORT_CONFIGURATION_INFORMATION")                                                                                \
    X(FIND_SRB_TYPE, "SrbType is one that SrbTypeFlags announced", "PORT_CONFIGURATION_INFORMATION")                   \
    X(PASSIVE_PLACE, "StorPortEnablePassiveInitialization is called from HwInitialize only",                           \
      "rule StorPortPassiveFromHwInit")                                                                                \
    X(CONTROL_TYPES,                                                                                                   \
      "the mandatory control types Stop and Restart are supported, and no entry beyond MaxControlType "                \
      "is written",                                                                                                    \
      "SCSI_ADAPTER_CONTROL_TYPE")                                                                                     \
    X(CALLBACK_IRQL, "a callback returns at the IRQL at which it was called, with no lock held", "rule SpChangeIrql")  \
    X(EXTENSION_FOREIGN, "the device extension passed to Storport is one that Storport gave", "StorPortNotification")  \
    X(NOTIFY_TYPE, "only the allowed notification types are used", "rule StorPortNotification2")                       \
    X(COMPLETE_TWICE, "a request is completed exactly once", "bug check 0xF1, 0x2004")                                 \
    X(COMPLETE_UNKNOWN, "only a request that HwStartIo got is completed", "StorPortNotification")                      \
    X(COMPLETE_PENDING, "a request isn't completed with SRB_STATUS_PENDING", "rule StorPortStatusPending")             \
    X(COMPLETE_FROZEN, "a miniport never sets SRB_STATUS_QUEUE_FROZEN", "SCSI_REQUEST_BLOCK")                          \
    X(COMPLETE_REFUSED, "HwStartIo doesn't refuse a request that it completes", "HW_STARTIO")                          \
    X(SRB_AFTER, "an SRB, its extension and its sense buffer aren't touched after completion", "StorPortNotification") \
    X(SRB_FIELDS, "members of an SRB that aren't the miniport's stay as they are", "SCSI_REQUEST_BLOCK")               \
    X(SRB_OVERRUN, "nothing is written beyond an SRB, its extension or its sense buffer", "HW_STARTIO")                \
    X(DATA_GROWN, "DataTransferLength is lowered to what was moved, never raised", "SCSI_REQUEST_BLOCK")               \
    X(DATA_BUSY, "DataTransferLength stays as it is with SRB_STATUS_BUSY", "SCSI_REQUEST_BLOCK")                       \
    X(DATA_OVERRUN, "no more is written than the data buffer holds", "SCSI_REQUEST_BLOCK")                             \
    X(SENSE_UNWANTED, "no sense data when autosense is disabled or there is no sense buffer", "SCSI_REQUEST_BLOCK")    \
    X(SENSE_MISSING, "SRB_STATUS_AUTOSENSE_VALID comes with sense data in the buffer and its length",                  \
      "SCSI_REQUEST_BLOCK")                                                                                            \
    X(SENSE_STATUS, "sense data come with SRB_STATUS_ERROR and ScsiStatus CHECK CONDITION", "SCSI_REQUEST_BLOCK")      \
    X(SCSI_STATUS, "a request isn't successful with a ScsiStatus that says otherwise", "SCSI_REQUEST_BLOCK")           \
    X(FUNCTION_UNKNOWN, "an SRB function that the miniport doesn't know isn't answered with success", "HW_STARTIO")    \
    X(RESET_LEFT, "a successful reset completes all requests of its scope", "bug check 0xF0, 1")                       \
    X(TIMEOUT_LEFT, "every request is completed: by itself or by the resets that follow its timeout",                  \
      "bug check 0xF0, 3")                                                                                             \
    X(DEPTH_EARLY, "a unit's queue depth is set at or after its first INQUIRY, and isn't 0",                           \
      "StorPortSetDeviceQueueDepth")                                                                                   \
    X(ATTRIBUTES_PLACE, "unit attributes are set while an INQUIRY of that unit is being completed",                    \
      "StorPortSetUnitAttributes")                                                                                     \
    X(UNIT_REUSED, "an address isn't given to another disk before the old one's device is removed",                    \
      "StorPort enumeration: BusChangeDetected")                                                                       \
    X(REPORT_LUNS, "REPORT LUNS data are well formed", "SPC-4, 6.33")                                                  \
    X(INQUIRY_DATA, "INQUIRY data and vital product data pages are well formed", "SPC-4, 6.6 and 7.8")                 \
    X(CAPABILITIES, "QueryCapabilities fills the structure that FeatureSupport announced",                             \
      "STOR_DEVICE_CAPABILITIES_EX")                                                                                   \
    X(SERVICE_TWICE, "a service IRP is completed once, and only one that HwProcessServiceRequest got",                 \
      "StorPortCompleteServiceIrp")                                                                                    \
    X(SERVICE_STATUS, "a service IRP isn't completed with STATUS_PENDING or more output than its buffer holds",        \
      "StorPortCompleteServiceIrp")                                                                                    \
    X(SERVICE_CANCEL, "a service IRP is completed without a cancel routine left in it", "IoCompleteRequest")           \
    X(SERVICE_LEFT, "HwCompleteServiceIrp completes all service IRPs", "HW_COMPLETE_SERVICE_IRP")                      \
    X(STOP_REFUSED, "ScsiStopAdapter succeeds", "SCSI_ADAPTER_CONTROL_TYPE")                                           \
    X(RESTART_REFUSED, "an adapter that was stopped starts again", "SCSI_ADAPTER_CONTROL_TYPE")                        \
    X(TIMER_LEFT, "RequestTimerCall's timer is cancelled when the adapter is stopped or freed",                        \
      "SCSI_ADAPTER_CONTROL_TYPE")                                                                                     \
    X(FORBIDDEN_CALL, "StorPortCompleteRequest and StorPortLogError aren't called",                                    \
      "rules StorPortCompleteRequest, StorPortDeprecated")                                                             \
    X(POOL_FREE, "memory is freed once, with the tag that it was allocated with", "ExFreePoolWithTag")                 \
    X(LEAK_POOL, "all pool is freed when the driver is unloaded", "Driver Verifier, pool tracking")                    \
    X(LEAK_IRP, "all IRPs are freed when the driver is unloaded", "rule IoFreeIrp")                                    \
    X(LEAK_MDL, "all MDLs are freed when the driver is unloaded", "IoFreeMdl")                                         \
    X(LEAK_WORK_ITEM, "all work items are freed when the driver is unloaded", "IoFreeWorkItem")                        \
    X(LEAK_WSK, "all sockets are closed and WSK is deregistered when the driver is unloaded", "WskDeregister")         \
    X(LEAK_DEVICE, "all device objects are deleted when the driver is unloaded", "IoDeleteDevice")                     \
    X(LEAK_HANDLE, "all handles are closed when the driver is unloaded", "ZwClose")                                    \
    X(LEAK_THREAD, "all system threads have ended when the driver is unloaded", "PsTerminateSystemThread")             \
    X(LEAK_DPC, "no DPC or timer is queued when the driver is unloaded", "KeFlushQueuedDpcs")

typedef enum {
#define X(Id, Text, Page) PORT_RULE_##Id,
    PORT_RULES(X)
#undef X
        PORT_RULE_COUNT
} PORT_RULE;

/* Reports the breach and doesn't return. Details is a DbgPrint format for numbers and narrow strings. Any IRQL. */
__attribute__((noreturn, format(printf, 2, 3))) VOID PortViolation(PORT_RULE Rule, PCSTR Details, ...);

/* Reports the breach unless the rule is kept. */
#define PORT_REQUIRE(Rule, Kept, ...) ((Kept) ? (void)0 : PortViolation(PORT_RULE_##Rule, __VA_ARGS__))
