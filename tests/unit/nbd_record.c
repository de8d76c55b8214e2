/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Records a session with a real server, in the format of nbd_session.h. Not a
 * test: data/record-sessions runs it.
 *
 *   unit_nbd_record PORT list|disk EXPORT BLOCKSIZE TITLE >NAME.session
 */
#include "nbd_bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static BENCH Bench;
static int Server;
static uint8_t Block[1 << 20]; /* what the server said since we last did */
static size_t BlockLength;

static void Print(char Mark, const uint8_t *Bytes, size_t Length)
{
    while (Length > 0) {
        printf("%c ", Mark);
        for (size_t Index = 0; Index < 48 && Length > 0; Index++, Length--) {
            printf("%02x", *Bytes++);
        }
        printf("\n");
    }
}

static void Say(const void *Bytes, size_t Length)
{
    Print('<', Block, BlockLength);
    BlockLength = 0;
    Print('>', Bytes, Length);
    assert_int_equal(send(Server, Bytes, Length, 0), Length);
}

/* Takes what the server sends until the client wants to say something, or has what it waits for. */
static bool Listen(void)
{
    ssize_t Length = recv(Server, Block + BlockLength, sizeof(Block) - BlockLength, 0);

    if (Length <= 0) {
        Print('<', Block, BlockLength);
        printf("!\n");
        BlockLength = 0;
        BenchCloses(&Bench);
        return false;
    }
    BenchFeed(&Bench, Block + BlockLength, (size_t)Length);
    BlockLength += (size_t)Length;
    if (Bench.OutputLength > 0) {
        Say(Bench.Output, Bench.OutputLength);
        Bench.OutputLength = 0;
    }
    return true;
}

static void Ask(uint16_t Slot, NBD_COMMAND Command, uint16_t Flags, uint32_t FirstBlock, uint32_t Blocks)
{
    uint32_t BlockSize = Bench.Client.Export.BlockSize;
    uint8_t Data[4096];

    BenchRequests(&Bench, UINT64_C(0xC0DE00000000) + Slot, Command, Flags, (uint64_t)FirstBlock * BlockSize,
                  Blocks * BlockSize);
    Say(Bench.Output, Bench.OutputLength);
    Bench.OutputLength = 0;
    if (Command == NBD_CMD_WRITE) {
        memset(Data, 0xD0 + Slot, sizeof(Data));
        Say(Data, BlockSize);
    }
}

static void Settle(void)
{
    while (Bench.Client.InFlight > 0 && Bench.Client.Phase == NBD_PHASE_TRANSMISSION && Listen()) {
    }
}

/* One of everything that the export offers. */
static void UseEverything(void)
{
    uint16_t Flags = Bench.Client.Export.Flags;
    uint16_t Fua = (Flags & NBD_FLAG_SEND_FUA) != 0 ? NBD_CMD_FLAG_FUA : 0;
    bool Writable = (Flags & NBD_FLAG_READ_ONLY) == 0;

    if (Writable) {
        Ask(1, NBD_CMD_WRITE, Fua, 1, 1);
        Ask(2, NBD_CMD_WRITE, 0, 2, 1);
    }
    Ask(3, NBD_CMD_READ, 0, 4, 1);
    if ((Flags & NBD_FLAG_SEND_FLUSH) != 0) {
        Ask(4, NBD_CMD_FLUSH, 0, 0, 0);
    }
    Settle();
    if (Writable && (Flags & NBD_FLAG_SEND_TRIM) != 0) {
        Ask(5, NBD_CMD_TRIM, Fua, 8, 8);
    }
    if (Writable && (Flags & NBD_FLAG_SEND_WRITE_ZEROES) != 0) {
        Ask(6, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_NO_HOLE, 16, 1);
    }
    Ask(1, NBD_CMD_READ, 0, 1, 2);
    Settle();
}

/* Large blocks would make large sessions: of them, one is enough. */
static void UseDisk(void)
{
    uint8_t Wire[NBD_REQUEST_SIZE];

    Ask(0, NBD_CMD_READ, 0, 0, 1);
    Settle();
    if (Bench.Client.Export.BlockSize == 512) {
        UseEverything();
    }
    if (Bench.Client.Phase == NBD_PHASE_TRANSMISSION) {
        NbdDisconnect(&Bench.Client, Wire);
        Say(Wire, sizeof(Wire));
    }
}

static void Connect(const char *Port)
{
    struct sockaddr_in Address = {.sin_family = AF_INET};

    Address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    Address.sin_port = htons((uint16_t)strtoul(Port, NULL, 10));
    Server = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(Server, (struct sockaddr *)&Address, sizeof(Address)) != 0) {
        perror("connect");
        exit(1);
    }
}

int main(int Count, char **Arguments)
{
    NBD_CONFIG Config = {.Goal = NBD_GOAL_TRANSMISSION};

    if (Count != 6) {
        fprintf(stderr, "usage: %s PORT list|disk EXPORT BLOCKSIZE TITLE\n", Arguments[0]);
        return 1;
    }
    Connect(Arguments[1]);
    if (strcmp(Arguments[2], "list") == 0) {
        Config.Goal = NBD_GOAL_LIST;
    }
    Config.ExportName = Arguments[3];
    Config.ExportNameLength = strlen(Arguments[3]);
    Config.BlockSize = (uint32_t)strtoul(Arguments[4], NULL, 10);
    printf("# %s\n# %s %s %s\n", Arguments[5], Arguments[2], Arguments[4], Arguments[3]);
    BenchStart(&Bench, &Config);
    while (Bench.Client.Phase == NBD_PHASE_HANDSHAKE && Listen()) {
    }
    if (Bench.Client.Phase == NBD_PHASE_TRANSMISSION) {
        UseDisk();
    }
    if (Bench.Client.Phase == NBD_PHASE_DONE) {
        while (Listen()) {
        }
    }
    Print('<', Block, BlockLength);
    for (char *Line = strtok(Bench.Log, "\n"); Line != NULL; Line = strtok(NULL, "\n")) {
        printf("= %s\n", Line);
    }
    return 0;
}
