/* SPDX-License-Identifier: Apache-2.0 */
/* test_name_watch.c - a changed map is taken by itself and on request, a broken one is said. What a
   look finds is in test_sni_source.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/log.h"
#include "daemon/name_watch.h"

#define DEADLINE_MS 30000

static char path[] = "/tmp/culvert-names-XXXXXX";
static struct event_base *base;
static struct log_ring *ring;
static struct pool pools[2] = {{.name = (char[]){"one"}}, {.name = (char[]){"two"}}};
static struct listener_config listeners[2] = {{.name = (char[]){"main"}},
                                              {.name = (char[]){"without"}}};
static struct snapshot snapshot;
static struct worker_shared shared; /* without workers nobody must leave what was replaced */
static struct error error;

static void put(const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
}

static const char *next_record(void)
{
    static char memory[2048];
    const struct log_record *record = log_ring_peek(ring);
    struct text text = text_over(memory, sizeof(memory));
    struct log_line line = {.out = &text, .format = LOG_LOGFMT};

    if (record == NULL)
        return "";
    line.level = record->level;
    record->expand(record->payload, record->size, &line);
    log_ring_pop(ring);
    return memory;
}

static struct pool *served_by(const char *name)
{
    const struct addr nobody = {.family = AF_UNSPEC};
    const struct route_client client = {.addr = &nobody, .has_hello = true, .sni = name};

    return router_choose(listeners[0].router, &client).pool;
}

static void test_a_changed_map_is_taken_by_itself(void **state)
{
    struct name_watch *watch = name_watch_open(base, &snapshot, &shared, &error);
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;

    (void)state;
    assert_non_null(watch);
    assert_ptr_equal(served_by("a.test"), &pools[0]);
    put("a.test two\n*.a.test one\n");
    while (served_by("a.test") != &pools[1]) {
        assert_true(clock_now_ms() < deadline_ms);
        event_base_loop(base, EVLOOP_ONCE);
    }
    assert_non_null(strstr(next_record(), "event=sni_map_reloaded"));
    name_watch_close(watch);
}

static void test_a_reload_says_what_came_of_it(void **state)
{
    struct name_watch *watch = name_watch_open(base, &snapshot, &shared, &error);
    struct name_looks looks;
    const char *record;

    (void)state;
    name_watch_reload(watch, &looks); /* unchanged, but who asks gets it */
    assert_int_equal(looks.maps, 1);
    assert_int_equal(looks.changed, 1);
    assert_int_equal(looks.failed, 0);
    record = next_record();
    assert_non_null(strstr(record, "event=sni_map_reloaded listener=main"));
    assert_non_null(strstr(record, "names=1"));
    put("a.test nowhere\n");
    name_watch_reload(watch, &looks);
    assert_int_equal(looks.changed, 0);
    assert_int_equal(looks.failed, 1);
    record = next_record();
    assert_non_null(strstr(record, "event=sni_map_reload_failed listener=main"));
    assert_non_null(strstr(record, "there is no [pool nowhere]"));
    assert_ptr_equal(served_by("a.test"), &pools[0]);
    name_watch_close(watch);
}

static void test_without_maps_no_timer_runs(void **state)
{
    struct name_watch *watch;
    struct name_looks looks;

    (void)state;
    snapshot.listener_count = 0;
    watch = name_watch_open(base, &snapshot, &shared, &error);
    assert_non_null(watch);
    assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0);
    name_watch_reload(watch, &looks);
    assert_int_equal(looks.maps, 0);
    name_watch_close(watch);
    name_watch_close(NULL);
}

static int set_up(void **state)
{
    const struct origin nowhere = {.file = NULL};
    struct source_files files = {0};
    struct diagnostics diagnostics = {0};
    struct sni_map *map;
    int fd;

    (void)state;
    strcpy(path + strlen(path) - 6, "XXXXXX");
    fd = mkstemp(path);
    close(fd);
    put("a.test one\n");
    map = sni_map_read(path, &nowhere, &files, &diagnostics);
    listeners[0].sni_source = sni_source_create(path, map);
    listeners[0].router = router_create(NULL);
    router_publish_names(listeners[0].router, sni_source_names(map, pools, 2, &error), 0);
    sni_map_destroy(map);
    source_files_release(&files);
    snapshot = (struct snapshot){.listeners = listeners,
                                 .listener_count = 2,
                                 .pools = pools,
                                 .pool_count = 2,
                                 .named_pool_count = 2};
    base = event_base_new();
    ring = log_ring_create(64);
    log_attach(ring, -1);
    return base == NULL || ring == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    sni_source_destroy(listeners[0].sni_source);
    router_destroy(listeners[0].router);
    log_attach(NULL, -1);
    log_ring_destroy(ring);
    event_base_free(base);
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_changed_map_is_taken_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_reload_says_what_came_of_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_maps_no_timer_runs, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
