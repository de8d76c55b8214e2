/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the test bed checks: one row per rule, with the reference page it is
 * taken from (WDK pages by file name without prefix, Driver Verifier's rules by
 * their names). A broken rule stops the process with a report that names the
 * rule, the page, the function and the caller. tests/misuse.c breaks each.
 */
#pragma once

#define NATIVE_RULES(RULE)                                                                                             \
    RULE(ASSERTION, "assertion", "nt_assert", "an assertion of the driver or of the host holds")                       \
    RULE(BUG_CHECK, "bug-check", "kebugcheckex", "nobody stops the system")                                            \
    /* IRQL */                                                                                                         \
    RULE(IRQL, "irql", "the function's page, Requirements, IRQL; rules Irql*, SpIrql",                                 \
         "the function may be called at this IRQL")                                                                    \
    RULE(IRQL_RAISE, "irql-raise", "keraiseirql", "KeRaiseIrql does not lower the IRQL")                               \
    RULE(IRQL_LOWER, "irql-lower", "kelowerirql", "KeLowerIrql does not raise the IRQL, nor lower it under a lock")    \
    RULE(IRQL_CALLBACK, "irql-callback", "rule SpChangeIrql, IrqlReturn",                                              \
         "a callback returns at the IRQL at which it was called")                                                      \
    RULE(PAGED_CODE, "paged-code", "paged_code; rule PagedCode", "pageable code runs below DISPATCH_LEVEL")            \
    /* Spin locks */                                                                                                   \
    RULE(LOCK_INIT, "lock-init", "keinitializespinlock", "a spin lock is initialised before its first use")            \
    RULE(LOCK_RECURSION, "lock-recursion", "rule SpinLock", "a spin lock is not acquired twice by its owner")          \
    RULE(LOCK_OWNER, "lock-owner", "rule SpinLockRelease", "a spin lock is released by its owner")                     \
    RULE(LOCK_IRQL, "lock-irql", "kereleasespinlock; rule IrqlKeReleaseSpinLock",                                      \
         "a spin lock is released to the IRQL at which it was acquired")                                               \
    RULE(LOCK_DPC, "lock-dpc", "keacquirespinlockatdpclevel; rule SpinLockDpc",                                        \
         "the DpcLevel variants are called at DISPATCH_LEVEL")                                                         \
    RULE(LOCK_WAIT, "lock-wait", "kewaitforsingleobject", "nobody waits while holding a spin lock")                    \
    RULE(LOCK_COMPLETION, "lock-completion", "iocompleterequest; rule SpinLockSafe",                                   \
         "no IRP is completed or sent while a spin lock is held")                                                      \
    RULE(LOCK_CALLBACK, "lock-callback", "rule SpinLock", "a callback returns with the spin locks it was called with") \
    /* Pool */                                                                                                         \
    RULE(POOL_TAG, "pool-tag", "exallocatepoolwithtag", "a pool tag has one to four characters from 0x20 to 0x7E")     \
    RULE(POOL_TYPE, "pool-type", "exallocatepoolwithtag", "pool is non-paged and not executable")                      \
    RULE(POOL_PAGED, "pool-paged",                                                                                     \
         "exfreepoolwithtag; keinitializespinlock; kewaitforsingleobject; mmbuildmdlfornonpagedpool",                  \
         "paged pool is freed below DISPATCH_LEVEL and holds nothing that must be resident")                           \
    RULE(POOL_SIZE, "pool-size", "exallocatepoolwithtag", "an allocation has a size")                                  \
    RULE(POOL_FREE, "pool-free", "exfreepoolwithtag; rule DoubleExFreePool",                                           \
         "what is freed is an allocation that is still there, and is freed with its tag")                              \
    RULE(POOL_IN_USE, "pool-in-use", "Driver Verifier, Detecting errors (0xC7 TIMER_OR_DPC_INVALID)",                  \
         "freed memory holds no queued timer or DPC, no buffer under transfer")                                        \
    RULE(POOL_LEAK, "pool-leak", "Driver Verifier, Pool tracking (0xC4/0x62)", "a driver frees its pool at unload")    \
    /* Dispatcher objects, DPCs, timers, work items, threads */                                                        \
    RULE(OBJECT_INIT, "object-init", "keinitializeevent, keinitializetimer, keinitializedpc",                          \
         "an object is initialised before its first use, and not while it is queued")                                  \
    RULE(DPC_WAIT, "dpc-wait", "Winsock Kernel Events; kewaitforsingleobject", "nobody waits in a DPC")                \
    RULE(QUEUED_AT_UNLOAD, "queued-at-unload", "keflushqueueddpcs; kecanceltimer",                                     \
         "no timer or DPC is queued at unload")                                                                        \
    RULE(WORK_ITEM, "work-item", "ioqueueworkitem; iofreeworkitem",                                                    \
         "a work item is queued once, and freed not queued")                                                           \
    RULE(WORK_ITEM_LEAK, "work-item-leak", "ioallocateworkitem", "a driver frees its work items before unload")        \
    RULE(THREAD_AT_UNLOAD, "thread-at-unload", "pscreatesystemthread", "a driver's threads end before its unload")     \
    RULE(NOTIFY_AT_UNLOAD, "notify-at-unload", "pssetcreateprocessnotifyroutine",                                      \
         "a driver removes its process-notify routines before its unload")                                             \
    RULE(ETW, "etw", "etwunregister; etwwrite", "an event provider is registered when it writes, and ends once")       \
    RULE(ETW_AT_UNLOAD, "etw-at-unload", "etwregister", "a driver's event providers end before its unload")            \
    RULE(HANDLE, "handle", "zwclose; rule ZwRegistryOpen", "a handle is open when used, and closed once")              \
    RULE(HANDLE_LEAK, "handle-leak", "rule ZwRegistryOpen", "a driver closes its handles")                             \
    RULE(SYSTEM_THREAD, "system-thread", "ioopendriverregistrykey",                                                    \
         "the function is called in a thread of the system's process")                                                 \
    RULE(REMOVE_LOCK, "remove-lock", "ioreleaseremovelock", "remove locks are released as often as acquired")          \
    /* IRPs */                                                                                                         \
    RULE(IRP_FREED, "irp-freed", "iofreeirp", "an IRP is not used after it was freed")                                 \
    RULE(IRP_TWICE, "irp-completed-twice", "iocompleterequest; bug check 0x44", "an IRP is completed once")            \
    RULE(IRP_CANCELABLE, "irp-cancelable", "iosetcancelroutine; Driver Verifier 0xC4/0xC9",                            \
         "an IRP has no cancel routine when it is completed, passed on or freed")                                      \
    RULE(IRP_STATUS, "irp-status", "iocompleterequest", "an IRP is not completed with STATUS_PENDING")                 \
    RULE(IRP_LENGTH, "irp-length", "Security Issues for I/O Control Codes",                                            \
         "Information of a buffered request is at most its output buffer")                                             \
    RULE(IRP_STACK, "irp-stack", "iocalldriver; bug check 0x35", "an IRP has a stack location for each driver")        \
    RULE(IRP_IN_FLIGHT, "irp-in-flight", "ioreuseirp; iofreeirp; Using IRPs with Winsock Kernel Functions",            \
         "an IRP that is under way is neither freed nor reused nor sent")                                              \
    RULE(IRP_ROUTINE, "irp-routine", "rule IoFreeIrp; iocompleterequest",                                              \
         "a driver's own IRP ends in its completion routine, with STATUS_MORE_PROCESSING_REQUIRED")                    \
    RULE(IRP_PENDING, "irp-pending", "iomarkirppending; rule PendedCompletedRequest",                                  \
         "a dispatch routine returns STATUS_PENDING if and only if it marked the IRP so")                              \
    RULE(IRP_FORGOTTEN, "irp-forgotten", "Completing IRPs in Dispatch Routines",                                       \
         "an IRP is completed, unless its dispatch routine returns STATUS_PENDING")                                    \
    RULE(IRP_LEAK, "irp-leak", "rule IoFreeIrp", "a driver frees its IRPs")                                            \
    RULE(CANCEL_LOCK, "cancel-lock", "iocancelirp; rule CancelSpinLock",                                               \
         "a cancel routine releases the cancel spin lock, once")                                                       \
    /* Devices */                                                                                                      \
    RULE(DEVICE, "device", "iodeletedevice; iodetachdevice", "a device is detached, then deleted, once")               \
    RULE(DEVICE_LEAK, "device-leak", "iodeletedevice", "a driver's devices are deleted before its unload")             \
    RULE(PNP_ANSWER, "pnp-answer", "Plug and Play minor IRPs", "a PnP request is answered as its page demands")        \
    RULE(INTERFACE, "interface", "iosetdeviceinterfacestate", "an interface is registered, and disabled at removal")   \
    /* MDLs */                                                                                                         \
    RULE(MDL_STATE, "mdl-state", "mmbuildmdlfornonpagedpool; mmgetsystemaddressformdlsafe; iobuildpartialmdl",         \
         "an MDL describes resident memory before it is used, and pages locked are unlocked before it is freed")       \
    RULE(MDL_RANGE, "mdl-range", "iobuildpartialmdl; wsk_buf", "a part of an MDL lies within it")                      \
    RULE(MDL_IN_FLIGHT, "mdl-in-flight", "wsk_send; wsk_receive", "an MDL stays until the transfer has completed")     \
    RULE(MDL_LEAK, "mdl-leak", "iofreemdl", "a driver frees its MDLs")                                                 \
    RULE(PROCESS_LOCKED, "process-locked", "mmprobeandlockpages; bug check 0x76",                                      \
         "no pages of a process are locked when it ends")                                                              \
    /* WSK */                                                                                                          \
    RULE(WSK_CLIENT, "wsk-client", "wskcaptureprovidernpi; wskreleaseprovidernpi; wskderegister",                      \
         "a client registers, captures, uses, releases and deregisters, in this order")                                \
    RULE(WSK_IRP, "wsk-irp", "Using IRPs with Winsock Kernel Functions",                                               \
         "a call's IRP is fresh and has a completion routine for success, error and cancel")                           \
    RULE(WSK_ARGUMENT, "wsk-argument", "the function's page, Parameters", "an argument is one that the page allows")   \
    RULE(WSK_ORDER, "wsk-order", "wsk_bind; wsk_connect; wsk_send; wsk_receive",                                       \
         "a socket is bound, then connected, then used")                                                               \
    RULE(WSK_CLOSED, "wsk-closed", "wsk_close_socket", "nothing is called on a socket after or during its close")      \
    RULE(WSK_CLOSE, "wsk-close", "wsk_close_socket", "a socket is closed once, while no other call is executing")      \
    RULE(WSK_LEAK, "wsk-leak", "wskderegister; wsk_close_socket; wsk_free_address_info",                               \
         "a client closes its sockets, frees its address lists, releases and deregisters before unload")

typedef enum {
#define NATIVE_RULE_ID(Id, Name, Page, Text) RULE_##Id,
    NATIVE_RULES(NATIVE_RULE_ID)
#undef NATIVE_RULE_ID
        RULE_COUNT
} NATIVE_RULE;

/* Reports and stops the process. Format is C's printf's; Function is the NT function or callback concerned. */
void NtViolation(NATIVE_RULE Rule, const char *Function, const char *Format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));

/* The rule's name, for tests and documents. */
const char *NtRuleName(NATIVE_RULE Rule);
