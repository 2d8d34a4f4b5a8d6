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

/* Maglev tells servers apart by their names. */
static void names_for_tier(unsigned count)
{
    static char names[MOST_SERVERS][2] = {"a", "b", "c", "d", "e", "f", "g", "h"};

    for (unsigned i = 0; i < count; i++)
        servers[i].name = names[i];
    assert_true(balance_tier_hash(&tier, 65537));
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

/* ---- slow start ---------------------------------------------------------------------------- */

#define SLOW_START_MS 10000

/* As count_picks(), a while after servers[0] has come back. */
static void count_slow_picks(enum balance balance, unsigned times, int64_t elapsed_ms,
                             unsigned *counts)
{
    memset(counts, 0, MOST_SERVERS * sizeof(*counts));
    servers[0].up_since_ms = 1000;
    for (unsigned i = 0; i < times; i++) {
        struct balance_request request = {.seed = &seed,
                                          .now_ms = 1000 + elapsed_ms,
                                          .slow_start_ms = SLOW_START_MS,
                                          .hash = maglev_hash(&i, sizeof(i))};
        struct server *server = balance_pick(balance, &tier, &request);

        assert_non_null(server);
        counts[server - servers]++;
    }
}

static void test_share_grows_from_a_tenth_to_all(void **state)
{
    struct balance_request request = {.now_ms = 1000, .slow_start_ms = SLOW_START_MS};
    const unsigned whole = BALANCE_SHARE_WHOLE;

    (void)state;
    make_tier(1, NULL);
    assert_int_equal(balance_share(&request, &servers[0]), whole); /* up from the start */
    servers[0].up_since_ms = 1000;
    assert_int_equal(balance_share(&request, &servers[0]), whole / 10);
    request.now_ms = 900; /* another thread's clock */
    assert_int_equal(balance_share(&request, &servers[0]), whole / 10);
    request.now_ms = 1000 + SLOW_START_MS / 2;
    assert_in_range(balance_share(&request, &servers[0]), whole * 54 / 100, whole * 56 / 100);
    request.now_ms = 1000 + SLOW_START_MS - 1;
    assert_in_range(balance_share(&request, &servers[0]), whole * 99 / 100, whole - 1);
    request.now_ms = 1000 + SLOW_START_MS;
    assert_int_equal(balance_share(&request, &servers[0]), whole);
    request.now_ms = 1000;
    request.slow_start_ms = 0;
    assert_int_equal(balance_share(&request, &servers[0]), whole);
}

static void test_a_server_in_slow_start_gets_its_share_from_each_policy(void **state)
{
    static const enum balance some[] = {BALANCE_LEASTCONN, BALANCE_ROUNDROBIN, BALANCE_MAGLEV};
    unsigned counts[MOST_SERVERS];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(some); i++) {
        make_tier(2, NULL);
        names_for_tier(2);
        /* A tenth of its share, against the other's whole one: 1 to 10 for leastconn; of every
           second turn a tenth for the others. */
        count_slow_picks(some[i], 1100, 0, counts);
        assert_in_range(counts[0], 30, 150);
        balance_tier_release(&tier);
        make_tier(2, NULL);
        names_for_tier(2);
        count_slow_picks(some[i], 1000, SLOW_START_MS, counts);
        assert_in_range(counts[0], 400, 600);
        balance_tier_release(&tier);
    }
    make_tier(3, NULL);
    count_slow_picks(BALANCE_RANDOM, 900, 0, counts);
    assert_in_range(counts[0], 1, 150);
    balance_tier_release(&tier);
    make_tier(2, NULL);
    count_slow_picks(BALANCE_FIRST, 1000, 0, counts);
    assert_in_range(counts[0], 50, 200);
}

static void test_a_server_in_slow_start_serves_when_it_is_alone(void **state)
{
    static const enum balance some[] = {BALANCE_LEASTCONN, BALANCE_ROUNDROBIN, BALANCE_RANDOM,
                                        BALANCE_FIRST, BALANCE_MAGLEV};
    unsigned counts[MOST_SERVERS];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(some); i++) {
        make_tier(2, NULL);
        names_for_tier(2);
        servers[1].check = SERVER_CHECK_DOWN;
        count_slow_picks(some[i], 200, 0, counts);
        assert_int_equal(counts[0], 200);
        balance_tier_release(&tier);
    }
}

/* ---- maglev -------------------------------------------------------------------------------- */

static struct server *pick_key(unsigned key)
{
    struct balance_request request = {.seed = &seed, .hash = maglev_hash(&key, sizeof(key))};

    return balance_pick(BALANCE_MAGLEV, &tier, &request);
}

static void test_maglev_gives_a_key_the_same_server(void **state)
{
    struct server *first[200];
    unsigned counts[MOST_SERVERS] = {0};

    (void)state;
    make_tier(4, (const int[]){1, 1, 1, 3});
    names_for_tier(4);
    for (unsigned key = 0; key < 200; key++) {
        first[key] = pick_key(key);
        counts[first[key] - servers]++;
    }
    assert_true(counts[3] > counts[0] && counts[3] > counts[1] && counts[3] > counts[2]);
    servers[1].check = SERVER_CHECK_DOWN;
    servers[2].admin = SERVER_ADMIN_DRAIN;
    for (unsigned key = 0; key < 200; key++) {
        struct server *now = pick_key(key);

        if (first[key] == &servers[1] || first[key] == &servers[2])
            assert_true(now == &servers[0] || now == &servers[3]);
        else
            assert_ptr_equal(now, first[key]);
    }
    servers[1].check = SERVER_CHECK_UP;
    servers[2].admin = SERVER_ADMIN_UP;
    for (unsigned key = 0; key < 200; key++)
        assert_ptr_equal(pick_key(key), first[key]);
}

static void test_maglev_goes_on_behind_servers_tried_or_full(void **state)
{
    struct server *tried[2];
    struct balance_request request = {.seed = &seed, .hash = 12345, .tried = tried};
    struct server *last;

    (void)state;
    make_tier(3, NULL);
    names_for_tier(3);
    for (; request.tried_count < 2; request.tried_count++)
        tried[request.tried_count] = balance_pick(BALANCE_MAGLEV, &tier, &request);
    last = balance_pick(BALANCE_MAGLEV, &tier, &request);
    assert_ptr_not_equal(tried[0], tried[1]);
    assert_true(last != NULL && last != tried[0] && last != tried[1]);
    assert_false(request.is_full_seen);
    request.tried_count = 0;
    tried[0]->max_connections = 1;
    assert_ptr_equal(balance_pick(BALANCE_MAGLEV, &tier, &request), tried[1]);
    assert_true(request.is_full_seen);
}

static void test_keys_that_returned_in_the_slow_start_stay(void **state)
{
    bool has_returned[300] = {false};
    unsigned before = 0;

    (void)state;
    make_tier(2, NULL);
    names_for_tier(2);
    servers[0].up_since_ms = 1000;
    for (int64_t elapsed_ms = 0; elapsed_ms <= SLOW_START_MS; elapsed_ms += SLOW_START_MS / 10) {
        unsigned returned = 0;

        for (unsigned key = 0; key < ARRAY_LENGTH(has_returned); key++) {
            struct balance_request request = {.seed = &seed,
                                              .now_ms = 1000 + elapsed_ms,
                                              .slow_start_ms = SLOW_START_MS,
                                              .hash = maglev_hash(&key, sizeof(key))};
            bool is_there = balance_pick(BALANCE_MAGLEV, &tier, &request) == &servers[0];

            assert_true(is_there || !has_returned[key]);
            has_returned[key] = is_there;
            returned += is_there;
        }
        assert_true(returned >= before);
        before = returned;
    }
    assert_in_range(before, 100, 200);
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
        cmocka_unit_test_teardown(test_share_grows_from_a_tenth_to_all, free_tier),
        cmocka_unit_test_teardown(test_a_server_in_slow_start_gets_its_share_from_each_policy,
                                  free_tier),
        cmocka_unit_test(test_a_server_in_slow_start_serves_when_it_is_alone),
        cmocka_unit_test_teardown(test_maglev_gives_a_key_the_same_server, free_tier),
        cmocka_unit_test_teardown(test_maglev_goes_on_behind_servers_tried_or_full, free_tier),
        cmocka_unit_test_teardown(test_keys_that_returned_in_the_slow_start_stay, free_tier),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
