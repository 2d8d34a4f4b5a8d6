/* SPDX-License-Identifier: Apache-2.0 */
/* test_sessions_query.c - waiting for all parts, and a worker that answers too late. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/sessions_query.h"

static const struct sessions_filter everything = {.phase = -1};

struct answerer {
    struct sessions_query *query;
    unsigned part;
};

static void *answer(void *argument)
{
    struct answerer *answerer = argument;

    struct sessions_part *part = &answerer->query->parts[answerer->part];

    for (part->total = 0; part->total < 100; part->total++) {
        if (part->count < answerer->query->limit)
            part->rows[part->count++] = (struct session_record){.id = part->total + 1};
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
        assert_int_equal(query->parts[i].rows[9].id, 10);
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
        cmocka_unit_test(test_query_waits_for_all_parts),
        cmocka_unit_test(test_query_outlives_its_asker_for_a_late_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
