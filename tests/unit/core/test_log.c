/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log.c - rings between two threads, and the wording of a line in each format.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base.h"
#include "core/log.h"
#include "core/text.h"

static char memory[8192];
static struct text out;

static struct log_line *line_as(enum log_format format)
{
    static struct log_line line;

    out = text_over(memory, sizeof(memory));
    line = (struct log_line){.out = &out,
                             .format = format,
                             .level = LOG_INFO,
                             .wall_us = 1795377600123456, /* 2026-11-22T20:00:00.123456Z */
                             .with_time = true};
    return &line;
}

/* One of everything. */
static const char *sample(struct log_line *line)
{
    log_line_begin(line, "session_end");
    log_line_string(line, "listener", "pg", 2);
    log_line_string(line, "route", "", 0);
    log_line_string(line, "detail", "a \"b\"\n", 6);
    log_line_string(line, "pair", "a=b", 3);
    log_line_integer(line, "bytes", -912);
    log_line_seconds(line, "duration_s", 1840000);
    log_line_end(line);
    return memory;
}

static void test_json_is_one_object_with_numbers_as_numbers(void **state)
{
    (void)state;
    assert_string_equal(sample(line_as(LOG_JSON)),
                        "{\"time\":\"2026-11-22T20:00:00.123Z\",\"level\":\"info\","
                        "\"event\":\"session_end\",\"listener\":\"pg\",\"route\":\"\","
                        "\"detail\":\"a \\\"b\\\"\\n\",\"pair\":\"a=b\",\"bytes\":-912,"
                        "\"duration_s\":1.84}");
}

static void test_logfmt_quotes_what_would_be_misread(void **state)
{
    (void)state;
    assert_string_equal(sample(line_as(LOG_LOGFMT)),
                        "time=2026-11-22T20:00:00.123Z level=info event=session_end listener=pg "
                        "route=\"\" detail=\"a \\\"b\\\"\\n\" pair=\"a=b\" bytes=-912 "
                        "duration_s=1.84");
}

static void test_text_leaves_out_empty_fields_and_aligns_the_level(void **state)
{
    (void)state;
    assert_string_equal(sample(line_as(LOG_TEXT)),
                        "2026-11-22T20:00:00.123Z info  session_end listener=pg "
                        "detail=\"a \\\"b\\\"\\n\" pair=\"a=b\" bytes=-912 duration_s=1.84");
}

static void test_text_shows_a_message_as_a_sentence(void **state)
{
    struct log_line *line = line_as(LOG_TEXT);

    (void)state;
    line->with_time = false;
    log_line_begin(line, "stopped");
    log_line_string(line, "message", "all is well", 11);
    log_line_end(line);
    assert_string_equal(memory, "info  stopped: all is well");
}

static void test_color_only_when_asked(void **state)
{
    struct log_line *line = line_as(LOG_TEXT);

    (void)state;
    assert_null(strchr(sample(line), '\033'));
    line = line_as(LOG_TEXT);
    line->with_color = true;
    assert_non_null(strchr(sample(line), '\033'));
    line = line_as(LOG_JSON);
    line->with_color = true;
    assert_null(strchr(sample(line), '\033'));
}

static void test_no_time_when_it_is_off(void **state)
{
    (void)state;
    for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
        struct log_line *line = line_as((enum log_format)format);

        line->with_time = false;
        assert_null(strstr(sample(line), "20:00"));
    }
}

static const char *seconds(int64_t value_us)
{
    struct log_line *line = line_as(LOG_LOGFMT);

    log_line_seconds(line, "s", value_us);
    return memory;
}

static void test_seconds_are_trimmed(void **state)
{
    (void)state;
    assert_string_equal(seconds(0), " s=0");
    assert_string_equal(seconds(1), " s=0.000001");
    assert_string_equal(seconds(400), " s=0.0004");
    assert_string_equal(seconds(1000000), " s=1");
    assert_string_equal(seconds(10500000), " s=10.5");
    assert_string_equal(seconds(-1500000), " s=-1.5");
    assert_string_equal(seconds(INT64_MIN), " s=-9223372036854.775808");
}

static void test_no_byte_of_a_value_is_raw_unless_visible(void **state)
{
    char all[256];

    (void)state;
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
        struct log_line *line = line_as((enum log_format)format);

        log_line_begin(line, "session_end");
        log_line_string(line, "client", all, sizeof(all));
        log_line_string(line, "message", all, sizeof(all));
        log_line_end(line);
        assert_false(out.is_cut);
        for (size_t i = 0; i < out.length; i++)
            assert_in_range((unsigned char)memory[i], 0x20, 0x7e);
    }
}

/* Takes one record off the ring and words it. */
static const char *next_line(struct log_ring *ring, enum log_format format)
{
    const struct log_record *record = log_ring_peek(ring);
    struct log_line *line = line_as(format);

    assert_non_null(record);
    line->with_time = false;
    line->level = record->level;
    record->expand(record->payload, record->size, line);
    log_ring_pop(ring);
    return memory;
}

static void test_an_event_comes_out_as_it_went_in(void **state)
{
    struct log_ring *ring = log_ring_create(8);
    struct log_event event;

    (void)state;
    log_attach(ring, -1);
    log_event_begin(&event, LOG_WARN, "server_state");
    log_event_string(&event, "pool", "pg");
    log_event_integer(&event, "count", -3);
    log_event_string(&event, "from", "");
    log_event_seconds(&event, "for_s", 1500);
    log_event_post(&event);
    log_message(LOG_ERROR, "listen_failed", "%s is %d", "port", 80);

    assert_string_equal(next_line(ring, LOG_JSON),
                        "{\"level\":\"warn\",\"event\":\"server_state\","
                        "\"pool\":\"pg\",\"count\":-3,\"from\":\"\",\"for_s\":0.0015}");
    assert_string_equal(next_line(ring, LOG_LOGFMT),
                        "level=error event=listen_failed message=\"port is 80\"");
    assert_null(log_ring_peek(ring));
    log_attach(NULL, -1);
    log_ring_destroy(ring);
}

static void test_a_long_event_is_cut_not_overrun(void **state)
{
    struct log_ring *ring = log_ring_create(8);
    char longer[2 * LOG_PAYLOAD_BYTES];
    struct log_event event;
    const char *line;

    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    log_attach(ring, -1);
    log_event_begin(&event, LOG_INFO, "long");
    log_event_string(&event, "first", longer);
    log_event_string(&event, "second", longer); /* no room at all */
    log_event_integer(&event, "third", 1);
    assert_in_range(event.size, 1, LOG_PAYLOAD_BYTES);
    log_event_post(&event);
    log_message(LOG_INFO, "message", "%s", longer);

    line = next_line(ring, LOG_LOGFMT);
    assert_int_equal(strcmp(line + strlen(line) - 4, "x..."), 0);
    assert_null(strstr(line, "second"));
    line = next_line(ring, LOG_JSON);
    assert_int_equal(strcmp(line + strlen(line) - 6, "x...\"}"), 0);
    log_attach(NULL, -1);
    log_ring_destroy(ring);
}

static void test_a_full_ring_drops_the_newest_and_counts(void **state)
{
    struct log_ring *ring = log_ring_create(100);

    (void)state;
    log_attach(ring, -1);
    for (int i = 0; i < 150; i++)
        log_message(LOG_INFO, "number", "%d", i);
    assert_int_equal(log_ring_dropped(ring), 50);
    assert_string_equal(next_line(ring, LOG_TEXT), "info  number: 0");
    log_message(LOG_INFO, "number", "%d", 150); /* the freed place */
    for (int i = 1; i < 100; i++)
        log_ring_pop(ring), (void)log_ring_peek(ring);
    assert_string_equal(next_line(ring, LOG_TEXT), "info  number: 150");
    assert_null(log_ring_peek(ring));
    assert_int_equal(log_ring_dropped(ring), 50);
    log_attach(NULL, -1);
    log_ring_destroy(ring);
}

static void test_looking_twice_shows_the_same_record(void **state)
{
    struct log_ring *ring = log_ring_create(200);

    (void)state;
    log_attach(ring, -1);
    for (int i = 0; i < 200; i++)
        log_message(LOG_INFO, "number", "%d", i);
    for (int i = 0; i < 200; i++) {
        const struct log_record *record = log_ring_peek(ring);

        assert_ptr_equal(log_ring_peek(ring), record);
        log_ring_pop(ring);
    }
    log_attach(NULL, -1);
    log_ring_destroy(ring);
}

static void test_the_level_decides_what_is_posted(void **state)
{
    struct log_ring *ring = log_ring_create(8);

    (void)state;
    log_attach(ring, -1);
    log_set_level(LOG_WARN);
    assert_false(log_is_enabled(LOG_INFO));
    log_message(LOG_INFO, "unseen", "x");
    log_message(LOG_WARN, "seen", "x");
    log_set_level(LOG_INFO);
    assert_true(log_is_enabled(LOG_INFO));
    assert_string_equal(next_line(ring, LOG_TEXT), "warn  seen: x");
    assert_null(log_ring_peek(ring));
    assert_int_equal(log_ring_dropped(ring), 0);
    log_attach(NULL, -1);
    log_message(LOG_ERROR, "nowhere", "x"); /* without a ring: silently nothing */
    log_ring_destroy(ring);
}

static void test_only_a_sleeping_consumer_is_woken_and_once(void **state)
{
    struct log_ring *ring = log_ring_create(8);
    int wake_fd = eventfd(0, EFD_NONBLOCK);
    uint64_t count = 0;

    (void)state;
    log_attach(ring, wake_fd);
    log_message(LOG_INFO, "awake", "x");
    assert_int_equal(read(wake_fd, &count, sizeof(count)), -1);
    log_ring_set_sleeping(ring, true);
    log_message(LOG_INFO, "first", "x");
    log_message(LOG_INFO, "second", "x");
    assert_int_equal(read(wake_fd, &count, sizeof(count)), sizeof(count));
    assert_int_equal(count, 1);
    log_attach(NULL, -1);
    log_ring_destroy(ring);
    close(wake_fd);
}

#define POSTED 50000

struct producer {
    struct log_ring *ring;
    int wake_fd;
    uint64_t posted;
};

static void *produce(void *argument)
{
    struct producer *producer = argument;
    uint64_t attempts = 0;

    log_attach(producer->ring, producer->wake_fd);
    for (uint64_t i = 0; i < POSTED; i++)
        log_post(LOG_INFO, LOG_ACCESS, NULL, &i, sizeof(i));
    /* The last one must arrive, so that every sleep of the consumer is followed by a wake. */
    for (uint64_t dropped = log_ring_dropped(producer->ring) - 1, last = POSTED;
         dropped != log_ring_dropped(producer->ring);) {
        dropped = log_ring_dropped(producer->ring);
        log_post(LOG_INFO, LOG_ACCESS, NULL, &last, sizeof(last));
        attempts++;
    }
    producer->posted = POSTED + attempts;
    log_attach(NULL, -1);
    return NULL;
}

/* Under TSan this is also the proof that the ring needs no lock. */
static void test_two_threads_lose_nothing_that_was_not_counted(void **state)
{
    struct producer producer = {log_ring_create(64), eventfd(0, EFD_NONBLOCK), 0};
    struct pollfd wake = {.fd = producer.wake_fd, .events = POLLIN};
    uint64_t received = 0;
    uint64_t last = 0;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, produce, &producer), 0);
    while (last < POSTED) {
        const struct log_record *record = log_ring_peek(producer.ring);
        uint64_t value;

        if (record == NULL) {
            log_ring_set_sleeping(producer.ring, true);
            if (log_ring_peek(producer.ring) == NULL) {
                assert_int_equal(poll(&wake, 1, 20000), 1); /* else a wake-up was lost */
                assert_int_equal(read(producer.wake_fd, &value, sizeof(value)), sizeof(value));
            }
            log_ring_set_sleeping(producer.ring, false);
            continue;
        }
        memcpy(&value, record->payload, sizeof(value));
        assert_true(received == 0 || value > last);
        last = value;
        log_ring_pop(producer.ring);
        received++;
    }
    pthread_join(thread, NULL);
    assert_null(log_ring_peek(producer.ring));
    assert_int_equal(received + log_ring_dropped(producer.ring), producer.posted);
    log_ring_destroy(producer.ring);
    close(producer.wake_fd);
}

static void test_a_flood_is_summarised(void **state)
{
    struct log_limit limit = {0};
    uint64_t suppressed = 99;

    (void)state;
    assert_true(log_limit_pass(&limit, 5000, &suppressed));
    assert_int_equal(suppressed, 0);
    for (int i = 0; i < 7; i++)
        assert_false(log_limit_pass(&limit, 5999, &suppressed));
    assert_true(log_limit_pass(&limit, 6000, &suppressed));
    assert_int_equal(suppressed, 7);
    assert_true(log_limit_pass(&limit, 7000, &suppressed));
    assert_int_equal(suppressed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_is_one_object_with_numbers_as_numbers),
        cmocka_unit_test(test_logfmt_quotes_what_would_be_misread),
        cmocka_unit_test(test_text_leaves_out_empty_fields_and_aligns_the_level),
        cmocka_unit_test(test_text_shows_a_message_as_a_sentence),
        cmocka_unit_test(test_color_only_when_asked),
        cmocka_unit_test(test_no_time_when_it_is_off),
        cmocka_unit_test(test_seconds_are_trimmed),
        cmocka_unit_test(test_no_byte_of_a_value_is_raw_unless_visible),
        cmocka_unit_test(test_an_event_comes_out_as_it_went_in),
        cmocka_unit_test(test_a_long_event_is_cut_not_overrun),
        cmocka_unit_test(test_a_full_ring_drops_the_newest_and_counts),
        cmocka_unit_test(test_looking_twice_shows_the_same_record),
        cmocka_unit_test(test_the_level_decides_what_is_posted),
        cmocka_unit_test(test_only_a_sleeping_consumer_is_woken_and_once),
        cmocka_unit_test(test_two_threads_lose_nothing_that_was_not_counted),
        cmocka_unit_test(test_a_flood_is_summarised),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
