/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Sessions with real servers (data/), said again whole, cut into two at every
 * place, byte by byte and at random places: what happens is always the same.
 * Then with every byte of the server's changed, in several ways: something
 * else happens, but the client comes to a defined end.
 */
#include "nbd_session.h"

#define SESSIONS_LEAST 15u

static SESSION Session;
static BENCH Bench;

static const SESSION_VARIATION Unchanged = {.Split = SIZE_MAX, .Flip = SIZE_MAX};

static void PlayAndCompare(const SESSION_VARIATION *Variation)
{
    SessionPlay(&Session, Variation, &Bench);
    assert_string_equal(Bench.Log, Session.Log);
}

static void Replay(void **State)
{
    SESSION_VARIATION Variation = Unchanged;

    SessionLoad(&Session, *(size_t *)*State);
    PlayAndCompare(&Variation);
    for (Variation.Split = 1; Variation.Split < Session.ServerLength; Variation.Split++) {
        PlayAndCompare(&Variation);
    }
    Variation.Split = SIZE_MAX;
    BenchChunk = 1;
    PlayAndCompare(&Variation);
    BenchChunk = SIZE_MAX;
    for (Variation.Seed = 1; Variation.Seed <= 200; Variation.Seed++) {
        PlayAndCompare(&Variation);
    }
}

static void Mutate(void **State)
{
    static const uint8_t Masks[] = {0xFF, 0x01, 0x80, 0x06};
    SESSION_VARIATION Variation = Unchanged;

    SessionLoad(&Session, *(size_t *)*State);
    for (Variation.Flip = 0; Variation.Flip < Session.ServerLength; Variation.Flip++) {
        for (size_t Index = 0; Index < sizeof(Masks); Index++) {
            static char Whole[BENCH_LOG_SIZE];

            Variation.FlipMask = Masks[Index];
            Variation.Seed = 0;
            SessionPlay(&Session, &Variation, &Bench);
            memcpy(Whole, Bench.Log, Bench.LogLength + 1);
            Variation.Seed = (uint32_t)Variation.Flip + 1;
            SessionPlay(&Session, &Variation, &Bench);
            assert_string_equal(Bench.Log, Whole);
        }
    }
}

int main(void)
{
    size_t Count = SessionCount();
    size_t *Indexes = calloc(Count + 1, sizeof(*Indexes));
    struct CMUnitTest *Tests = calloc(2 * Count + 1, sizeof(*Tests));
    int Failed;

    if (Count < SESSIONS_LEAST || Indexes == NULL || Tests == NULL) {
        fprintf(stderr, "only %zu sessions in %s\n", Count, SESSION_DIRECTORY);
        return 1;
    }
    for (size_t Index = 0; Index < Count; Index++) {
        Indexes[Index] = Index;
        Tests[2 * Index] = (struct CMUnitTest){.name = SessionName(Index), .test_func = Replay};
        Tests[2 * Index].initial_state = &Indexes[Index];
        Tests[2 * Index + 1] = Tests[2 * Index];
        Tests[2 * Index + 1].test_func = Mutate;
    }
    Failed = _cmocka_run_group_tests("nbd.replay", Tests, 2 * Count, NULL, NULL);
    free(Tests);
    free(Indexes);
    return Failed;
}
