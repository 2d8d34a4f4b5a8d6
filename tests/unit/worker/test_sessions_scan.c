/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sessions_scan.c - answering a question about many live sessions, some of which end and
 * others begin meanwhile. In one thread: the test runs the worker's loop, turn by turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/worker_world.h"

/* More than two turns' worth. */
#define MANY 600

static const struct sessions_filter all = {.phase = -1};

struct crowd {
    struct worker_world world;
    struct worker *worker;
    int clients[MANY];
    unsigned count;
};

static void crowd_open(struct crowd *crowd, unsigned count)
{
    worker_world_configure(&crowd->world, BUILTIN_DISCARD);
    worker_world_start(&crowd->world, 1);
    worker_world_listen(&crowd->world);
    crowd->worker = crowd->world.workers[0];
    crowd->count = count;
    for (unsigned i = 0; i < count; i++) {
        crowd->clients[i] = tcp_connect(crowd->world.port);
        if (i % 100 == 99) /* no more than the backlog */
            WORKERS_RUN_UNTIL(&crowd->world, crowd->world.shared.sessions == (int)i + 1);
    }
    WORKERS_RUN_UNTIL(&crowd->world, crowd->world.shared.sessions == (int)count);
}

static void crowd_close(struct crowd *crowd)
{
    for (unsigned i = 0; i < crowd->count; i++)
        peer_close(&crowd->clients[i]);
    worker_world_close(&crowd->world);
}

static struct sessions_query *ask(struct crowd *crowd, const struct sessions_filter *filter,
                                  size_t limit)
{
    struct sessions_query *query = sessions_query_create(filter, limit, 1);

    assert_non_null(query);
    sessions_query_ref(query);
    sessions_scan_start(crowd->worker, query);
    return query;
}

static void turn(struct crowd *crowd)
{
    event_base_loop(crowd->worker->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static bool is_finished(const struct sessions_query *query)
{
    return query->parts[0].is_finished;
}

/* Waits for the answer; whoever asked drops the last reference. */
static uint64_t total_of(struct crowd *crowd, struct sessions_query *query)
{
    uint64_t total;

    WORKERS_RUN_UNTIL(&crowd->world, is_finished(query));
    total = query->parts[0].total;
    assert_int_equal(query->references, 1);
    sessions_query_unref(query);
    return total;
}

static uint64_t count(struct crowd *crowd, const struct sessions_filter *filter)
{
    return total_of(crowd, ask(crowd, filter, 0));
}

/* The session at this place of the worker's list, without the scan's own mark in it. */
static struct session *session_at(struct crowd *crowd, unsigned position)
{
    struct list_link *link = crowd->worker->resources.sessions.head.next;

    for (;; link = link->next) {
        if (link == &crowd->worker->scan.cursor)
            continue;
        if (position-- == 0)
            return CONTAINER_OF(link, struct session, link);
    }
}

static void test_a_worker_without_sessions_answers_at_once(void **state)
{
    struct crowd crowd;
    struct sessions_query *query;

    crowd_open(&crowd, 0);
    query = ask(&crowd, &all, 10);
    assert_true(is_finished(query));
    assert_int_equal(total_of(&crowd, query), 0);
    crowd_close(&crowd);
}

static void test_every_session_is_counted_and_as_many_are_listed_as_asked_for(void **state)
{
    struct crowd crowd;
    struct sessions_query *query;

    crowd_open(&crowd, MANY);
    query = ask(&crowd, &all, 10);
    WORKERS_RUN_UNTIL(&crowd.world, is_finished(query));
    assert_int_equal(query->parts[0].count, 10);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(query->parts[0].rows[i].id, session_at(&crowd, i)->id);
        assert_string_equal(query->parts[0].rows[i].listener, "front");
        assert_string_equal(query->parts[0].rows[i].pool, "back");
        assert_string_equal(query->parts[0].rows[i].server, "s0");
    }
    assert_int_equal(total_of(&crowd, query), MANY);
    crowd_close(&crowd);
}

static void test_a_turn_looks_at_a_bounded_number_of_sessions(void **state)
{
    struct crowd crowd;
    struct sessions_query *query;
    unsigned turns = 1;

    crowd_open(&crowd, MANY);
    query = ask(&crowd, &all, 0);
    assert_int_equal(query->parts[0].total, 256);
    while (!is_finished(query)) {
        uint64_t before = query->parts[0].total;

        turn(&crowd);
        assert_in_range(query->parts[0].total - before, 0, 256);
        turns++;
    }
    assert_true(turns >= 3);
    assert_int_equal(total_of(&crowd, query), MANY);
    crowd_close(&crowd);
}

static void test_a_filter_matches_names_phases_and_ids(void **state)
{
    struct crowd crowd;
    struct sessions_filter filter = all;

    crowd_open(&crowd, 20);
    strcpy(filter.listener, "front");
    assert_int_equal(count(&crowd, &filter), 20);
    strcpy(filter.listener, "back");
    assert_int_equal(count(&crowd, &filter), 0);
    filter = all;
    strcpy(filter.pool, "back");
    strcpy(filter.server, "s0");
    assert_int_equal(count(&crowd, &filter), 20);
    strcpy(filter.server, "s1");
    assert_int_equal(count(&crowd, &filter), 0);
    filter = all;
    filter.phase = PHASE_RELAY;
    assert_int_equal(count(&crowd, &filter), 20);
    filter.phase = PHASE_CONNECT;
    assert_int_equal(count(&crowd, &filter), 0);
    filter = all;
    filter.id = session_at(&crowd, 7)->id;
    assert_int_equal(count(&crowd, &filter), 1);
    filter.id = 1;
    assert_int_equal(count(&crowd, &filter), 0);
    crowd_close(&crowd);
}

static void test_sessions_may_end_around_the_place_the_scan_has_reached(void **state)
{
    struct crowd crowd;
    struct sessions_query *query;

    crowd_open(&crowd, MANY);
    query = ask(&crowd, &all, 0);
    assert_int_equal(query->parts[0].total, 256);
    /* The last one seen, the next two to see, the first and the last of all. */
    session_end(session_at(&crowd, 255), CLOSE_KILLED);
    session_end(session_at(&crowd, 255), CLOSE_KILLED);
    session_end(session_at(&crowd, 255), CLOSE_KILLED);
    session_end(session_at(&crowd, 0), CLOSE_KILLED);
    session_end(session_at(&crowd, MANY - 5), CLOSE_KILLED);
    assert_int_equal(total_of(&crowd, query), MANY - 3);
    assert_int_equal(count(&crowd, &all), MANY - 5);
    crowd_close(&crowd);
}

static void test_all_sessions_may_end_in_the_middle_of_a_scan(void **state)
{
    struct crowd crowd;
    struct sessions_query *query;

    crowd_open(&crowd, MANY);
    query = ask(&crowd, &all, 0);
    worker_world_post(&crowd.world, 0, (struct message){.kind = MESSAGE_CUT, .count = MANY});
    while (crowd.world.shared.sessions > 0)
        turn(&crowd);
    assert_in_range(total_of(&crowd, query), 256, 512);
    crowd_close(&crowd);
}

static void test_a_session_that_begins_meanwhile_is_seen_too(void **state)
{
    struct crowd crowd;
    struct sessions_query *query;
    int pair[2];
    struct addr client = {.family = AF_INET};

    crowd_open(&crowd, MANY);
    query = ask(&crowd, &all, 0);
    tcp_pair(pair);
    snapshot_ref(&crowd.world.relay.snapshot);
    crowd.world.shared.sessions++;
    crowd.world.relay.listener.sessions++;
    crowd.worker->sessions++;
    assert_true(session_start(&crowd.worker->resources, &crowd.world.relay.listener, pair[1],
                              &client, clock_now_us()));
    assert_int_equal(total_of(&crowd, query), MANY + 1);
    peer_close(&pair[0]);
    crowd_close(&crowd);
}

static void test_a_kill_finds_its_session_beside_a_scan(void **state)
{
    struct crowd crowd;
    struct sessions_query *query;
    uint64_t id;

    crowd_open(&crowd, MANY);
    id = session_at(&crowd, 256)->id;
    query = ask(&crowd, &all, 0); /* its mark stands right before that session */
    worker_world_post(&crowd.world, 0, (struct message){.kind = MESSAGE_KILL, .id = id});
    worker_world_post(&crowd.world, 0, (struct message){.kind = MESSAGE_KILL, .id = 1});
    WORKERS_RUN_UNTIL(&crowd.world, worker_world_closed(&crowd.world, CLOSE_KILLED) == 1);
    assert_in_range(total_of(&crowd, query), MANY - 1, MANY);
    assert_int_equal(crowd.world.shared.sessions, MANY - 1);
    crowd_close(&crowd);
}

static void test_a_new_question_takes_the_place_of_one_that_is_under_way(void **state)
{
    struct crowd crowd;
    struct sessions_query *first, *second;

    crowd_open(&crowd, MANY);
    first = ask(&crowd, &all, 0);
    second = ask(&crowd, &all, 0);
    /* Nobody but its asker holds the first one now. */
    assert_int_equal(first->references, 1);
    assert_false(is_finished(first));
    sessions_query_unref(first);
    assert_int_equal(total_of(&crowd, second), MANY);
    crowd_close(&crowd);
}

static void test_an_asker_may_leave_before_the_answer(void **state)
{
    struct crowd crowd;
    struct sessions_query *query;

    crowd_open(&crowd, MANY);
    query = ask(&crowd, &all, 5);
    sessions_query_unref(query);
    WORKERS_RUN_UNTIL(&crowd.world, crowd.worker->scan.query == NULL);
    assert_int_equal(count(&crowd, &all), MANY);
    crowd_close(&crowd);
}

static void test_stopping_drops_the_question_and_its_mark(void **state)
{
    struct crowd crowd;
    struct sessions_query *query;

    crowd_open(&crowd, MANY);
    query = ask(&crowd, &all, 0);
    sessions_scan_stop(crowd.worker);
    sessions_scan_stop(crowd.worker);
    assert_int_equal(query->references, 1);
    assert_false(list_contains_link(&crowd.worker->scan.cursor));
    sessions_query_unref(query);
    crowd_close(&crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_worker_without_sessions_answers_at_once),
        cmocka_unit_test(test_every_session_is_counted_and_as_many_are_listed_as_asked_for),
        cmocka_unit_test(test_a_turn_looks_at_a_bounded_number_of_sessions),
        cmocka_unit_test(test_a_filter_matches_names_phases_and_ids),
        cmocka_unit_test(test_sessions_may_end_around_the_place_the_scan_has_reached),
        cmocka_unit_test(test_all_sessions_may_end_in_the_middle_of_a_scan),
        cmocka_unit_test(test_a_session_that_begins_meanwhile_is_seen_too),
        cmocka_unit_test(test_a_kill_finds_its_session_beside_a_scan),
        cmocka_unit_test(test_a_new_question_takes_the_place_of_one_that_is_under_way),
        cmocka_unit_test(test_an_asker_may_leave_before_the_answer),
        cmocka_unit_test(test_stopping_drops_the_question_and_its_mark),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
