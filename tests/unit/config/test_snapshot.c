/* SPDX-License-Identifier: Apache-2.0 */
/* test_snapshot.c - references from several threads, and tallies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "config/fixture.h"
#include "config/snapshot.h"

static void test_the_last_reference_frees(void **state)
{
    struct config *config = load_good(MINIMAL);
    struct snapshot *snapshot = config_snapshot(config);

    (void)state;
    assert_ptr_equal(snapshot_ref(snapshot), snapshot);
    snapshot_unref(snapshot);
    assert_string_equal(snapshot->listeners[0].name, "web");
    snapshot_unref(snapshot);
    snapshot_unref(NULL);
    config_destroy(config);
}

/* Many references that come and go, and at last the thread's own. */
static void *hold(void *argument)
{
    struct snapshot *snapshot = argument;

    for (int i = 0; i < 10000; i++)
        snapshot_unref(snapshot_ref(snapshot));
    snapshot_unref(snapshot);
    return NULL;
}

static void test_threads_may_drop_it_in_any_order(void **state)
{
    enum { THREADS = 4 };
    struct config *config = load_good(MINIMAL);
    struct snapshot *snapshot = config_snapshot(config);
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold, snapshot_ref(snapshot)), 0);
    snapshot_unref(snapshot);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    config_destroy(config);
}

static void test_several_snapshots_of_one_configuration(void **state)
{
    struct config *config = load_good(MINIMAL);
    struct snapshot *first = config_snapshot(config);
    struct snapshot *second = config_snapshot(config);

    (void)state;
    assert_ptr_not_equal(first, second);
    snapshot_unref(first);
    assert_string_equal(second->pools[0].servers[0]->name, "127.0.0.1:9");
    snapshot_unref(second);
    config_destroy(config);
}

static void test_a_pool_the_listener_cannot_reach_counts_as_none(void **state)
{
    struct config *config = load_good("[listen x]\nbind = :0\npool = a\n[listen y]\nbind = :0\n"
                                      "pool = b\n[pool a]\nserver = 127.0.0.1:1\n"
                                      "[pool b]\nserver = 127.0.0.1:2\n");
    struct snapshot *snapshot = config_snapshot(config);
    const struct listener_config *x = &snapshot->listeners[0];

    (void)state;
    assert_int_equal(snapshot_tally(snapshot, x, &snapshot->pools[0]), x->first_tally + 1);
    assert_int_equal(snapshot_tally(snapshot, x, &snapshot->pools[1]), x->first_tally);
    snapshot_unref(snapshot);
    config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_reference_frees),
        cmocka_unit_test(test_threads_may_drop_it_in_any_order),
        cmocka_unit_test(test_several_snapshots_of_one_configuration),
        cmocka_unit_test(test_a_pool_the_listener_cannot_reach_counts_as_none),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
