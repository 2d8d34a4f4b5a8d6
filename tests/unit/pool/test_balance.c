/* SPDX-License-Identifier: Apache-2.0 */
/* test_balance.c - the order of turns, and what each policy chooses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pool/balance.h"

#define MOST_SERVERS 8

static struct server servers[MOST_SERVERS];
static struct balance_tier tier;
static uint64_t seed;

static bool init_tier(unsigned count)
{
    struct server *pointers[MOST_SERVERS];

    for (unsigned i = 0; i < count; i++)
        pointers[i] = &servers[i];
    return balance_tier_init(&tier, pointers, count);
}

/* `count` servers with these weights (NULL: all 1), one tier over them. */
static void make_tier(unsigned count, const int *weights)
{
    memset(servers, 0, sizeof(servers));
    memset(&tier, 0, sizeof(tier));
    seed = 1;
    for (unsigned i = 0; i < count; i++) {
        servers[i].builtin = BUILTIN_ECHO;
        servers[i].weight = weights == NULL ? 1 : weights[i];
    }
    assert_true(init_tier(count));
}

static int free_tier(void **state)
{
    (void)state;
    balance_tier_release(&tier);
    return 0;
}

static struct server *pick(enum balance balance)
{
    struct balance_request request = {.seed = &seed};

    return balance_pick(balance, &tier, &request);
}

/* Chooses `times` times without leaving and counts per server. */
static void count_picks(enum balance balance, unsigned times, unsigned *counts)
{
    memset(counts, 0, MOST_SERVERS * sizeof(*counts));
    for (unsigned i = 0; i < times; i++) {
        struct server *server = pick(balance);

        assert_non_null(server);
        counts[server - servers]++;
    }
}

static void test_turns_are_interleaved_by_weight(void **state)
{
    const uint16_t expected[] = {0, 0, 1, 0, 2, 0, 0};

    (void)state;
    make_tier(3, (const int[]){5, 1, 1});
    assert_int_equal(tier.turn_count, ARRAY_LENGTH(expected));
    assert_memory_equal(tier.turns, expected, sizeof(expected));
}

static void test_turns_are_reduced_to_the_smallest_proportion(void **state)
{
    (void)state;
    make_tier(2, (const int[]){200, 100});
    assert_int_equal(tier.turn_count, 3);
    balance_tier_release(&tier);
    make_tier(3, (const int[]){256, 256, 256});
    assert_int_equal(tier.turn_count, 3);
}

static void test_turns_of_a_huge_pool_are_bounded_and_keep_the_proportions(void **state)
{
    const unsigned count = 4096;
    struct server *many = calloc(count, sizeof(*many));
    struct server **pointers = calloc(count, sizeof(*pointers));
    struct balance_tier huge = {0};
    unsigned heavy = 0;
    unsigned light = 0;

    (void)state;
    for (unsigned i = 0; i < count; i++) {
        many[i].builtin = BUILTIN_ECHO;
        many[i].weight = i % 2 == 0 ? 256 : 85;
        pointers[i] = &many[i];
    }
    assert_true(balance_tier_init(&huge, pointers, count));
    assert_true(huge.turn_count <= BALANCE_TURNS_MAX);
    for (unsigned i = 0; i < huge.turn_count; i++)
        *(huge.turns[i] % 2 == 0 ? &heavy : &light) += 1;
    assert_true(light >= count / 2);
    assert_true(heavy > 2 * light && heavy < 4 * light);
    balance_tier_release(&huge);
    free(many);
    free(pointers);
}

static void test_leastconn_takes_the_lightest_by_weight(void **state)
{
    unsigned counts[MOST_SERVERS];

    (void)state;
    make_tier(3, (const int[]){1, 2, 4});
    count_picks(BALANCE_LEASTCONN, 70, counts);
    assert_int_equal(counts[0], 10);
    assert_int_equal(counts[1], 20);
    assert_int_equal(counts[2], 40);
    servers[0].active = 0;
    for (int i = 0; i < 9; i++)
        assert_ptr_equal(pick(BALANCE_LEASTCONN), &servers[0]);
}

static void test_leastconn_spreads_ties(void **state)
{
    unsigned counts[MOST_SERVERS] = {0};

    (void)state;
    make_tier(4, NULL);
    for (int i = 0; i < 400; i++) {
        struct server *server = pick(BALANCE_LEASTCONN);

        counts[server - servers]++;
        server->active--;
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(counts[i], 50, 150);
}

static void test_roundrobin_gives_turns_by_weight(void **state)
{
    unsigned counts[MOST_SERVERS];

    (void)state;
    make_tier(3, (const int[]){3, 2, 1});
    count_picks(BALANCE_ROUNDROBIN, 60, counts);
    assert_int_equal(counts[0], 30);
    assert_int_equal(counts[1], 20);
    assert_int_equal(counts[2], 10);
}

static void test_roundrobin_shares_the_turns_of_a_server_that_is_down(void **state)
{
    unsigned counts[MOST_SERVERS];

    (void)state;
    make_tier(4, NULL);
    servers[1].health = SERVER_EJECTED;
    count_picks(BALANCE_ROUNDROBIN, 300, counts);
    assert_int_equal(counts[0], 100);
    assert_int_equal(counts[1], 0);
    assert_int_equal(counts[2], 100);
    assert_int_equal(counts[3], 100);
}

static void test_roundrobin_shares_fairly_when_the_heaviest_is_down(void **state)
{
    unsigned counts[MOST_SERVERS];

    (void)state;
    make_tier(3, (const int[]){256, 1, 1});
    servers[0].admin = SERVER_ADMIN_MAINT;
    count_picks(BALANCE_ROUNDROBIN, 200, counts);
    assert_int_equal(counts[0], 0);
    assert_in_range(counts[1], 90, 110);
}

static void test_random_prefers_the_less_loaded_by_weight(void **state)
{
    unsigned counts[MOST_SERVERS];

    (void)state;
    make_tier(3, (const int[]){1, 1, 2});
    count_picks(BALANCE_RANDOM, 4000, counts);
    assert_in_range(counts[0], 900, 1100);
    assert_in_range(counts[1], 900, 1100);
    assert_in_range(counts[2], 1800, 2200);
}

static void test_random_finds_the_only_server_left(void **state)
{
    (void)state;
    make_tier(8, NULL);
    for (int i = 0; i < 7; i++)
        servers[i].admin = SERVER_ADMIN_DRAIN;
    for (int i = 0; i < 50; i++)
        assert_ptr_equal(pick(BALANCE_RANDOM), &servers[7]);
}

static void test_first_fills_the_servers_in_file_order(void **state)
{
    (void)state;
    make_tier(3, NULL);
    servers[0].max_connections = 2;
    assert_ptr_equal(pick(BALANCE_FIRST), &servers[0]);
    assert_ptr_equal(pick(BALANCE_FIRST), &servers[0]);
    assert_ptr_equal(pick(BALANCE_FIRST), &servers[1]);
    servers[0].active--;
    assert_ptr_equal(pick(BALANCE_FIRST), &servers[0]);
    assert_ptr_equal(pick(BALANCE_FIRST), &servers[1]);
}

/* What holds for each policy. */
static const enum balance all[] = {BALANCE_LEASTCONN, BALANCE_ROUNDROBIN, BALANCE_RANDOM,
                                   BALANCE_FIRST};

static void test_no_policy_chooses_what_is_not_usable(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(all); i++) {
        struct server *tried[1] = {&servers[4]};

        make_tier(6, NULL);
        servers[0].health = SERVER_EJECTED;
        servers[1].admin = SERVER_ADMIN_DRAIN;
        servers[2].admin = SERVER_ADMIN_MAINT;
        servers[3].builtin = BUILTIN_NONE;
        for (int j = 0; j < 20; j++) {
            struct balance_request request = {.tried = tried, .tried_count = 1, .seed = &seed};

            assert_ptr_equal(balance_pick(all[i], &tier, &request), &servers[5]);
            assert_false(request.is_full_seen);
        }
        balance_tier_release(&tier);
    }
}

static void test_no_policy_exceeds_max_connections(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(all); i++) {
        struct balance_request request = {.seed = &seed};

        make_tier(2, NULL);
        servers[0].max_connections = 3;
        servers[1].max_connections = 5;
        for (int j = 0; j < 8; j++)
            assert_non_null(pick(all[i]));
        assert_null(balance_pick(all[i], &tier, &request));
        assert_true(request.is_full_seen);
        assert_int_equal(servers[0].active, 3);
        assert_int_equal(servers[1].active, 5);
        balance_tier_release(&tier);
    }
}

static void test_no_policy_chooses_from_an_empty_tier(void **state)
{
    struct balance_request request = {.seed = &seed};

    (void)state;
    memset(&tier, 0, sizeof(tier));
    for (unsigned i = 0; i < ARRAY_LENGTH(all); i++)
        assert_null(balance_pick(all[i], &tier, &request));
    assert_false(request.is_full_seen);
}

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(balance_word(BALANCE_LEASTCONN), "leastconn");
    assert_string_equal(balance_word(BALANCE_ROUNDROBIN), "roundrobin");
    assert_string_equal(balance_word(BALANCE_RANDOM), "random");
    assert_string_equal(balance_word(BALANCE_FIRST), "first");
}

int main(void)
{
#define WITH_TIER(test) cmocka_unit_test_teardown(test, free_tier)
    const struct CMUnitTest tests[] = {
        WITH_TIER(test_turns_are_interleaved_by_weight),
        WITH_TIER(test_turns_are_reduced_to_the_smallest_proportion),
        cmocka_unit_test(test_turns_of_a_huge_pool_are_bounded_and_keep_the_proportions),
        WITH_TIER(test_leastconn_takes_the_lightest_by_weight),
        WITH_TIER(test_leastconn_spreads_ties),
        WITH_TIER(test_roundrobin_gives_turns_by_weight),
        WITH_TIER(test_roundrobin_shares_the_turns_of_a_server_that_is_down),
        WITH_TIER(test_roundrobin_shares_fairly_when_the_heaviest_is_down),
        WITH_TIER(test_random_prefers_the_less_loaded_by_weight),
        WITH_TIER(test_random_finds_the_only_server_left),
        WITH_TIER(test_first_fills_the_servers_in_file_order),
        cmocka_unit_test(test_no_policy_chooses_what_is_not_usable),
        cmocka_unit_test(test_no_policy_exceeds_max_connections),
        cmocka_unit_test(test_no_policy_chooses_from_an_empty_tier),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
