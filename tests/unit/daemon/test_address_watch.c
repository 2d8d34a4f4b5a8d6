/* SPDX-License-Identifier: Apache-2.0 */
/* test_address_watch.c - what a look at the files comes to, and what is said of it. */
#include "daemon/address_watch.h"

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
#include "config/value.h"

static char folder[] = "/tmp/culvert-address-watch-XXXXXX";
static char path[64];
static struct event_base *base;
static struct log_ring *ring;
static struct snapshot snapshot;
static struct address_source *source;

static void write_list(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/list", folder);
    ring = log_ring_create(64);
    log_set_level(LOG_INFO);
    log_attach(ring, -1);
    base = event_base_new();
    return base == NULL || ring == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    log_attach(NULL, -1);
    log_ring_destroy(ring);
    event_base_free(base);
    unlink(path);
    return rmdir(folder);
}

/* A list whose only item is the file. */
static struct address_watch *watch_list(const char *text)
{
    char word[80];
    struct item item = {.text = word};
    struct setting setting = {.items = &item, .count = 1};
    struct error error = {.text = ""};
    struct address_watch *watch;

    write_list(text);
    snprintf(word, sizeof(word), "@%s", path);
    source = address_source_create("listen web", "deny", &setting);
    assert_non_null(source);
    snapshot.address_sources = &source;
    snapshot.address_source_count = 1;
    watch = address_watch_open(base, &snapshot, &error);
    assert_non_null(watch);
    return watch;
}

/* The oldest record that nobody has taken, worded; "" when there is none. */
static const char *said(void)
{
    static char buffer[1024];
    struct text text = text_over(buffer, sizeof(buffer));
    struct log_line line = {.out = &text, .format = LOG_LOGFMT};
    const struct log_record *record = log_ring_peek(ring);

    buffer[0] = '\0';
    if (record == NULL)
        return buffer;
    line.level = record->level;
    record->expand(record->payload, record->size, &line);
    log_ring_pop(ring);
    return buffer;
}

static void test_a_reload_says_what_came_of_it(void **state)
{
    struct address_watch *watch = watch_list("10.0.0.0/8\n");
    struct address_looks looks;
    const char *line;

    (void)state;
    address_watch_reload(watch, &looks);
    assert_int_equal(looks.lists, 1);
    assert_int_equal(looks.changed, 1);
    line = said();
    assert_non_null(strstr(line, "event=addresses_reloaded"));
    assert_non_null(strstr(line, "section=\"listen web\""));
    assert_non_null(strstr(line, "prefixes=1"));
    write_list("10.0.0.0/8\nwrong\n");
    address_watch_reload(watch, &looks);
    assert_int_equal(looks.failed, 1);
    assert_int_equal(looks.changed, 0);
    line = said();
    assert_non_null(strstr(line, "event=addresses_reload_failed"));
    assert_non_null(strstr(line, "list:2: 'wrong'"));
    address_watch_close(watch);
    address_source_destroy(source);
}

static void test_the_timer_finds_a_change(void **state)
{
    struct address_watch *watch = watch_list("10.0.0.0/8\n");
    int64_t deadline_us = clock_now_us() + 20 * 1000 * 1000;
    const char *line = "";

    (void)state;
    write_list("11.0.0.0/8\n12.0.0.0/8\n");
    while (line[0] == '\0') {
        assert_true(clock_now_us() < deadline_us);
        event_base_loop(base, EVLOOP_ONCE);
        line = said();
    }
    assert_non_null(strstr(line, "prefixes=2"));
    address_watch_close(watch);
    address_source_destroy(source);
    address_watch_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reload_says_what_came_of_it),
        cmocka_unit_test(test_the_timer_finds_a_change),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
