/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_announce.c - the banner for people and the record for machines.
 */
#include "daemon/announce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/log.h"
#include "core/text.h"

static struct config *config;
static struct snapshot *snapshot;
static struct budget budget;
static struct bound_addr bound[2];
static struct announcement news;

static int prepare(void **state)
{
    const char *overrides[] = {"culvert.workers=2"};
    struct config_sources sources = {
        .quick_ini = "[listen web]\nbind = 127.0.0.1:0\npool = api\n"
                     "[listen mail]\nbind = 127.0.0.1:0\nserver = 127.0.0.1:25\n"
                     "[pool api]\nserver = a 127.0.0.1:1\nserver = b 127.0.0.1:2\n",
        .overrides = overrides,
        .override_count = 1};

    (void)state;
    config = config_load(&sources, false);
    if (config == NULL || !config_is_valid(config))
        return -1;
    snapshot = config_snapshot(config);
    config_budget(snapshot, 1000, 8, &budget);
    for (unsigned i = 0; i < 2; i++) {
        bound[i].listener_index = i;
        bound[i].addr = snapshot->listeners[i].binds[0];
        bound[i].addr.port = (uint16_t)(8080 + i);
    }
    news = (struct announcement){.snapshot = snapshot,
                                 .bound = bound,
                                 .bound_count = 2,
                                 .budget = &budget,
                                 .control_path = "/run/x.sock",
                                 .splice = "yes",
                                 .start_us = 9876};
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    snapshot_unref(snapshot);
    config_destroy(config);
    return 0;
}

static void test_the_banner_says_where_and_to_whom(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    announce_banner(&news, out, false);
    fclose(out);
    assert_memory_equal(text, "culvert " CULVERT_VERSION "  pid ", 14);
    assert_non_null(strstr(text, "splice yes\n"));
    assert_non_null(
        strstr(text, "listen   web   127.0.0.1:8080  ->  api (2 servers, leastconn)\n"));
    assert_non_null(strstr(text, "listen   mail  127.0.0.1:8081  ->  mail ("));
    assert_non_null(strstr(text, "  unix:/run/x.sock\n"));
    assert_non_null(strstr(text, "(open_files 1000), 2 workers\n"));
    assert_non_null(strstr(text, "ready in 9 ms\n"));
    free(text);
}

static void test_one_worker_is_no_plural_and_an_arrow_is_an_arrow(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    snapshot->process.workers = 1;
    announce_banner(&news, out, true);
    snapshot->process.workers = 2;
    fclose(out);
    assert_non_null(strstr(text, " \xe2\x86\x92 "));
    assert_non_null(strstr(text, ", 1 worker\n"));
    free(text);
}

static void test_the_record_has_the_real_addresses(void **state)
{
    struct log_ring *ring = log_ring_create(4);
    char memory[2048];
    struct text text = text_over(memory, sizeof(memory));
    struct log_line line = {.out = &text, .format = LOG_LOGFMT, .level = LOG_INFO};
    const struct log_record *record;

    (void)state;
    log_attach(ring, -1);
    announce_record(&news);
    record = log_ring_peek(ring);
    assert_non_null(record);
    record->expand(record->payload, record->size, &line);
    assert_memory_equal(memory, "level=info event=ready version=", 31);
    assert_non_null(strstr(memory, " workers=2 "));
    assert_non_null(strstr(memory, " splice=yes start_s=0.009876 "));
    assert_non_null(strstr(memory, " listen=\"web=127.0.0.1:8080 mail=127.0.0.1:8081\""));
    log_ring_pop(ring);
    log_attach(NULL, -1);
    log_ring_destroy(ring);
}

static void test_the_locale_decides_about_utf8(void **state)
{
    (void)state;
    setenv("LC_ALL", "", 1);
    setenv("LC_CTYPE", "de_DE.UTF-8", 1);
    assert_true(announce_has_utf8());
    setenv("LC_ALL", "C", 1);
    assert_false(announce_has_utf8());
    unsetenv("LC_ALL");
    setenv("LC_CTYPE", "C.utf8", 1);
    assert_true(announce_has_utf8());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_banner_says_where_and_to_whom),
        cmocka_unit_test(test_one_worker_is_no_plural_and_an_arrow_is_an_arrow),
        cmocka_unit_test(test_the_record_has_the_real_addresses),
        cmocka_unit_test(test_the_locale_decides_about_utf8),
    };

    return cmocka_run_group_tests(tests, prepare, clean_up);
}
