/* SPDX-License-Identifier: Apache-2.0 */
/* test_session_record.c - identifiers, words, and the record in each format. */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "relay/session_record.h"

static const struct session_record sample = {
    .id = (UINT64_C(1792000000) << 32) | 87,
    .listener = "postgres",
    .pool = "pg",
    .server = "pg-1",
    .client = "198.51.100.7:50112",
    .server_addr = "10.0.9.11:5432",
    .reason = CLOSE_SERVER_RESET,
    .phase = PHASE_RELAY,
    .first = FIRST_CLIENT,
    .error = ECONNRESET,
    .upload_bytes = 912,
    .download_bytes = 70211,
    .undelivered_bytes = 5,
    .spliced_bytes = 65536,
    .connect_us = 400,
    .first_byte_us = 2100,
    .duration_us = 1840000,
    .rtt_us = 300,
    .retries = 1,
};

static const char *const keys[] = {
    "time",          "level",         "event",          "id",
    "listener",      "route",         "pool",           "server",
    "client",        "client_socket", "server_addr",    "sni",
    "tls",           "server_tls",    "reason",         "phase",
    "first",         "waited_for",    "errno",          "proxy_error",
    "tls_error",     "upload_bytes",  "download_bytes", "undelivered_bytes",
    "spliced_bytes", "queue_s",       "connect_s",      "first_byte_s",
    "duration_s",    "retries",       "path",           "rtt_s",
};

static char memory[4096];

static const char *expand(const struct session_record *record, enum log_format format,
                          log_expand function)
{
    struct text text = text_over(memory, sizeof(memory));
    struct log_line line = {
        .out = &text, .format = format, .level = LOG_INFO, .wall_us = 0, .with_time = true};

    function(record, sizeof(*record), &line);
    assert_false(text.is_cut);
    return memory;
}

static json_t *expand_json(const struct session_record *record, log_expand function)
{
    json_error_t error;
    json_t *object = json_loads(expand(record, LOG_JSON, function), JSON_REJECT_DUPLICATES, &error);

    if (object == NULL)
        fail_msg("%s: %s", error.text, memory);
    return object;
}

static const char *string_of(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static double number_of(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void test_end_has_these_keys_in_this_order(void **state)
{
    const char *at;

    (void)state;
    at = expand(&sample, LOG_JSON, session_record_expand_end);
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        char quoted[40];

        snprintf(quoted, sizeof(quoted), "%c\"%s\":", i == 0 ? '{' : ',', keys[i]);
        at = strstr(at, quoted);
        assert_non_null(at);
    }
    at = expand(&sample, LOG_LOGFMT, session_record_expand_end);
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        char assigned[40];

        snprintf(assigned, sizeof(assigned), "%s%s=", i == 0 ? "" : " ", keys[i]);
        at = strstr(at, assigned);
        assert_non_null(at);
    }
    assert_null(strchr(memory, '\n'));
}

/* Text is for people alone, who see what there is. */
static void test_text_leaves_out_what_says_nothing(void **state)
{
    struct session_record record = {.reason = CLOSE_LIMIT, .connect_us = -1, .first_byte_us = -1};

    (void)state;
    strcpy(record.listener, "web");
    strcpy(record.client, "192.0.2.1:5");
    strcpy(record.server, "10.0.0.1:80");
    strcpy(record.server_addr, "10.0.0.1:80");
    assert_string_equal(expand(&record, LOG_TEXT, session_record_expand_end),
                        "1970-01-01T00:00:00.000Z info  session_end id=000000-0 listener=web "
                        "server=10.0.0.1:80 client=192.0.2.1:5 reason=limit phase=preread "
                        "upload_bytes=0 download_bytes=0");
    record.retries = 1;
    record.undelivered_bytes = 7;
    record.connect_us = 1500;
    assert_non_null(strstr(expand(&record, LOG_TEXT, session_record_expand_end),
                           " undelivered_bytes=7 connect_s=0.0015 retries=1"));
}

static void test_end_has_no_other_keys(void **state)
{
    json_t *object = expand_json(&sample, session_record_expand_end);

    (void)state;
    assert_int_equal(json_object_size(object), ARRAY_LENGTH(keys));
    json_decref(object);
}

static void test_end_says_what_happened(void **state)
{
    json_t *object = expand_json(&sample, session_record_expand_end);

    (void)state;
    assert_string_equal(string_of(object, "event"), "session_end");
    assert_string_equal(string_of(object, "level"), "info");
    assert_string_equal(string_of(object, "id"), "tmws1s-2f");
    assert_string_equal(string_of(object, "listener"), "postgres");
    assert_string_equal(string_of(object, "route"), "");
    assert_string_equal(string_of(object, "server_addr"), "10.0.9.11:5432");
    assert_string_equal(string_of(object, "sni"), "");
    assert_string_equal(string_of(object, "tls"), "");
    assert_string_equal(string_of(object, "reason"), "server_reset");
    assert_string_equal(string_of(object, "phase"), "relay");
    assert_string_equal(string_of(object, "first"), "client");
    assert_string_equal(string_of(object, "waited_for"), "");
    assert_string_equal(string_of(object, "errno"), "ECONNRESET");
    assert_string_equal(string_of(object, "path"), "mixed");
    assert_float_equal(number_of(object, "upload_bytes"), 912, 0);
    assert_float_equal(number_of(object, "download_bytes"), 70211, 0);
    assert_float_equal(number_of(object, "undelivered_bytes"), 5, 0);
    assert_float_equal(number_of(object, "spliced_bytes"), 65536, 0);
    assert_float_equal(number_of(object, "queue_s"), 0, 0);
    assert_float_equal(number_of(object, "connect_s"), 0.0004, 1e-9);
    assert_float_equal(number_of(object, "first_byte_s"), 0.0021, 1e-9);
    assert_float_equal(number_of(object, "duration_s"), 1.84, 1e-9);
    assert_float_equal(number_of(object, "retries"), 1, 0);
    assert_float_equal(number_of(object, "rtt_s"), 0.0003, 1e-9);
    json_decref(object);
}

static void test_times_never_taken_are_minus_one(void **state)
{
    struct session_record record = sample;
    json_t *object;

    (void)state;
    record.connect_us = -1;
    record.first_byte_us = -1;
    object = expand_json(&record, session_record_expand_end);
    assert_float_equal(number_of(object, "connect_s"), -1, 0);
    assert_float_equal(number_of(object, "first_byte_s"), -1, 0);
    json_decref(object);
}

static void test_names_are_escaped_and_bounded(void **state)
{
    struct session_record record = sample;
    json_t *object;

    (void)state;
    memset(record.pool, 'p', sizeof(record.pool)); /* no NUL */
    strcpy(record.client, "a\"b\\c\n\x01\x7f");
    object = expand_json(&record, session_record_expand_end);
    assert_int_equal(strlen(string_of(object, "pool")), SESSION_NAME_BYTES);
    assert_string_equal(string_of(object, "client"), record.client);
    json_decref(object);
    expand(&record, LOG_LOGFMT, session_record_expand_end);
    for (const char *c = memory; *c != '\0'; c++)
        assert_in_range(*c, 0x20, 0x7e);
}

static void test_start_names_the_session_only(void **state)
{
    json_t *object = expand_json(&sample, session_record_expand_start);

    (void)state;
    assert_string_equal(string_of(object, "event"), "session_start");
    assert_string_equal(string_of(object, "client"), "198.51.100.7:50112");
    assert_null(json_object_get(object, "reason"));
    assert_null(json_object_get(object, "duration_s"));
    json_decref(object);
}

static void test_path_tells_how_the_bytes_went(void **state)
{
    struct session_record record = {.upload_bytes = 0};

    (void)state;
    assert_string_equal(path_text(&record), "");
    record.upload_bytes = 10;
    record.download_bytes = 20;
    assert_string_equal(path_text(&record), "copy");
    record.spliced_bytes = 20;
    assert_string_equal(path_text(&record), "mixed");
    record.spliced_bytes = 30;
    assert_string_equal(path_text(&record), "splice");
}

static void test_words(void **state)
{
    char number[16];

    (void)state;
    for (int i = 0; i < PHASE_COUNT; i++)
        assert_true(strlen(phase_word((enum phase)i)) > 0);
    assert_string_equal(phase_word(PHASE_HALF_CLOSED), "half_closed");
    assert_string_equal(first_word(FIRST_NOBODY), "");
    assert_string_equal(first_word(FIRST_CLIENT), "client");
    assert_string_equal(first_word(FIRST_SERVER), "server");
    assert_string_equal(first_word(FIRST_CULVERT), "culvert");
    assert_string_equal(waited_for_word(FIRST_NOBODY), "");
    assert_string_equal(waited_for_word(FIRST_SERVER), "server");
    assert_string_equal(waited_for_word(FIRST_CULVERT), "both");
    assert_string_equal(errno_word(0, number, sizeof(number)), "");
    assert_string_equal(errno_word(EPIPE, number, sizeof(number)), "EPIPE");
    assert_string_equal(errno_word(4000, number, sizeof(number)), "4000");
}

static void test_ids_survive_the_way_through_text(void **state)
{
    static const uint64_t ids[] = {
        0,          1, 35, 36, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_C(0x0123456789abcdef),
        UINT64_MAX,
    };
    char text[24];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        uint64_t id = 77;

        assert_true(session_id_parse(session_id_text(ids[i], text), &id));
        assert_int_equal(id, ids[i]);
        assert_true(strlen(text) < sizeof(text));
    }
    assert_string_equal(session_id_text(0, text), "000000-0");
    assert_string_equal(session_id_text(UINT64_MAX, text), "1z141z3-1z141z3");
}

static void test_other_texts_are_no_id(void **state)
{
    static const char *const texts[] = {
        "",     "-",   "0",         "0-",        "-0",         "0--0",       "0-0-", "0-0 ",
        " 0-0", "0-A", "1z141z4-0", "0-1z141z4", "00000000-0", "0-00000000", "0_0",  "+1-1",
    };
    uint64_t id = 77;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (session_id_parse(texts[i], &id))
            fail_msg("\"%s\" was taken for an id", texts[i]);
    }
    assert_int_equal(id, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_has_these_keys_in_this_order),
        cmocka_unit_test(test_text_leaves_out_what_says_nothing),
        cmocka_unit_test(test_end_has_no_other_keys),
        cmocka_unit_test(test_end_says_what_happened),
        cmocka_unit_test(test_times_never_taken_are_minus_one),
        cmocka_unit_test(test_names_are_escaped_and_bounded),
        cmocka_unit_test(test_start_names_the_session_only),
        cmocka_unit_test(test_path_tells_how_the_bytes_went),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_ids_survive_the_way_through_text),
        cmocka_unit_test(test_other_texts_are_no_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
