/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_checks.c - a snapshot's pools are checked, and the log hears of a server that goes down.
 */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/log.h"
#include "net/tcp_pair.h"
#include "worker/worker.h"
#include "daemon/checks.h"

#define DEADLINE_MS 10000

static char pool_name[] = "app";

/* The next record of this event as logfmt; fails behind the deadline. */
static void wait_for_record(struct event_base *base, struct log_ring *ring, const char *wanted)
{
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;
    char memory[1024];

    while (clock_now_ms() < deadline_ms) {
        struct timeval pause = {.tv_usec = 2000};
        const struct log_record *record;

        event_base_loopexit(base, &pause);
        event_base_dispatch(base);
        while ((record = log_ring_peek(ring)) != NULL) {
            struct text text = text_over(memory, sizeof(memory));
            struct log_line line = {.out = &text, .format = LOG_LOGFMT, .level = record->level};

            record->expand(record->payload, record->size, &line);
            log_ring_pop(ring);
            if (strstr(memory, wanted) != NULL)
                return;
        }
    }
    fail_msg("there was no '%s'", wanted);
}

static void test_the_log_hears_of_a_server_that_goes_down(void **state)
{
    struct event_base *base = event_base_new();
    struct log_ring *ring = log_ring_create(64);
    struct health_options up = {
        .timing = {.interval_ms = 10,
                   .fast_interval_ms = 10,
                   .down_interval_ms = 10,
                   .timeout_ms = 1000,
                   .rise = 1,
                   .fall = 1},
    };
    struct health_options *health[] = {&up};
    struct pool pool = {.name = pool_name};
    struct snapshot snapshot = {
        .process.workers = 1, .pools = &pool, .pool_count = 1, .health = health};
    struct server_options options = {
        .name = "a", .addr = {.family = AF_INET, .v4.s_addr = htonl(INADDR_LOOPBACK)}, .weight = 1};
    struct worker_shared shared = {.worker_count = 0};
    struct server_ends *ends = server_ends_open(base, &shared, 0);
    struct checker *checker;
    struct error error;
    int listening = tcp_listen(&options.addr.port, 0);

    (void)state;
    log_attach(ring, -1);
    peer_close(&listening);
    assert_true(pool_init(&pool, 1, 1));
    assert_non_null(pool_add_server(&pool, &options));
    assert_true(pool_prepare(&pool));
    pool.name = strdup(pool_name);
    checker = checks_open(base, &snapshot, ends, &error);
    assert_non_null(checker);
    wait_for_record(base, ring,
                    "from=up to=down cause=check detail=\"connect: Connection refused\"");
    checker_close(checker);
    server_ends_close(ends);
    pool_release(&pool);
    log_attach(NULL, -1);
    log_ring_destroy(ring);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_log_hears_of_a_server_that_goes_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
