/* SPDX-License-Identifier: Apache-2.0 */
/* test_sessions_query.c - filters, limits, waiting, and a worker that answers too late. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/sessions_query.h"

static const struct sessions_filter everything = {.phase = -1};

static struct session_record make_record(uint64_t id, const char *listener, const char *pool,
                                         const char *server, enum phase phase)
{
    struct session_record record = {.id = id, .phase = phase};

    snprintf(record.listener, sizeof(record.listener), "%s", listener);
    snprintf(record.pool, sizeof(record.pool), "%s", pool);
    snprintf(record.server, sizeof(record.server), "%s", server);
    return record;
}

static void test_filter_matches_on_each_field_and_all_together(void **state)
{
    const struct session_record record = make_record(7, "web", "app", "app-1", PHASE_RELAY);
    struct sessions_filter filter = everything;

    assert_true(sessions_filter_matches(&filter, &record));
    filter.id = 7;
    snprintf(filter.listener, sizeof(filter.listener), "web");
    snprintf(filter.pool, sizeof(filter.pool), "app");
    snprintf(filter.server, sizeof(filter.server), "app-1");
    filter.phase = PHASE_RELAY;
    assert_true(sessions_filter_matches(&filter, &record));

    filter.id = 8;
    assert_false(sessions_filter_matches(&filter, &record));
    filter.id = 7;
    filter.phase = PHASE_PREREAD;
    assert_false(sessions_filter_matches(&filter, &record));
    filter.phase = PHASE_RELAY;
    snprintf(filter.listener, sizeof(filter.listener), "we");
    assert_false(sessions_filter_matches(&filter, &record));
    filter.listener[0] = '\0';
    snprintf(filter.pool, sizeof(filter.pool), "apps");
    assert_false(sessions_filter_matches(&filter, &record));
    filter.pool[0] = '\0';
    snprintf(filter.server, sizeof(filter.server), "app-2");
    assert_false(sessions_filter_matches(&filter, &record));
}

static void test_query_keeps_its_limit_and_counts_the_rest(void **state)
{
    struct sessions_query *query = sessions_query_create(&everything, 2, 1);

    assert_non_null(query);
    for (uint64_t id = 1; id <= 5; id++) {
        const struct session_record record = make_record(id, "web", "", "", PHASE_RELAY);

        sessions_query_add(query, 0, &record);
    }
    assert_int_equal(query->parts[0].count, 2);
    assert_int_equal(query->parts[0].total, 5);
    assert_int_equal(query->parts[0].rows[0].id, 1);
    assert_int_equal(query->parts[0].rows[1].id, 2);
    sessions_query_unref(query);
}

static void test_query_with_limit_zero_only_counts(void **state)
{
    const struct session_record record = make_record(1, "web", "", "", PHASE_RELAY);
    struct sessions_query *query = sessions_query_create(&everything, 0, 1);

    assert_non_null(query);
    sessions_query_add(query, 0, &record);
    assert_int_equal(query->parts[0].count, 0);
    assert_int_equal(query->parts[0].total, 1);
    sessions_query_unref(query);
}

struct answerer {
    struct sessions_query *query;
    unsigned part;
};

static void *answer(void *argument)
{
    struct answerer *answerer = argument;

    for (uint64_t id = 1; id <= 100; id++) {
        const struct session_record record = make_record(id, "web", "", "", PHASE_RELAY);

        sessions_query_add(answerer->query, answerer->part, &record);
    }
    sessions_query_finish(answerer->query, answerer->part);
    return NULL;
}

static void test_query_waits_for_all_parts(void **state)
{
    struct sessions_query *query = sessions_query_create(&everything, 10, 2);
    struct answerer answerers[2];
    pthread_t threads[2];

    assert_non_null(query);
    for (unsigned i = 0; i < 2; i++) {
        answerers[i] = (struct answerer){query, i};
        sessions_query_ref(query);
        assert_int_equal(pthread_create(&threads[i], NULL, answer, &answerers[i]), 0);
    }
    assert_true(sessions_query_wait(query, 20000));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(query->parts[i].count, 10);
        assert_int_equal(query->parts[i].total, 100);
        pthread_join(threads[i], NULL);
    }
    sessions_query_unref(query);
}

static void test_query_outlives_its_asker_for_a_late_worker(void **state)
{
    struct sessions_query *query = sessions_query_create(&everything, 10, 2);
    struct answerer late = {query, 1};

    assert_non_null(query);
    sessions_query_ref(query);
    sessions_query_ref(query);
    sessions_query_finish(query, 0);
    assert_false(sessions_query_wait(query, 10));
    assert_true(atomic_load(&query->parts[0].is_finished));
    assert_false(atomic_load(&query->parts[1].is_finished));
    sessions_query_unref(query);
    answer(&late); /* drops the last reference: a leak or a use after free is a sanitizer's find */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter_matches_on_each_field_and_all_together),
        cmocka_unit_test(test_query_keeps_its_limit_and_counts_the_rest),
        cmocka_unit_test(test_query_with_limit_zero_only_counts),
        cmocka_unit_test(test_query_waits_for_all_parts),
        cmocka_unit_test(test_query_outlives_its_asker_for_a_late_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
