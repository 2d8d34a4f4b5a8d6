/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_option_table.c - every row: its default parses, a good value parses, a bad one is rejected
 * at its column; and the table is in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"
#include "config/option_table.h"

/* What else a row of [health] needs: the type of check that reads the key. */
static const char *health_needs(const struct option *option)
{
    enum option_id id = option_id_of(option);

    if (id == HEALTH_SEND || id == HEALTH_EXPECT)
        return "type = expect\n";
    if (id == HEALTH_PATH || id == HEALTH_HOST || id == HEALTH_STATUS)
        return "type = http\n";
    return id == HEALTH_INTERVAL ? "timeout = 10ms\n" : "";
}

/* A configuration with one line "key = value" in a section of the row's kind, and what it needs. */
static void write_row(const struct option *option, const char *value, unsigned *line)
{
    const struct section_info *section = &section_table[option->section];
    /* A key of the row's own section must not stand there twice. */
    bool is_bind = strcmp(option->key, "bind") == 0;
    bool is_server = strcmp(option->key, "server") == 0;
    bool is_listen = strcmp(option->key, "listen") == 0;
    bool is_pool = strcmp(option->key, "pool") == 0;
    char text[4096];

    snprintf(text, sizeof(text), "[%s%s]\n%s = %s\n%s%s%s%s%s%s%s%s%s", section->word,
             section->has_name ? " row" : "", option->key, value,
             option == &option_table[TLS_OPTION_KEY] ? "cert = x.pem\n" : "",
             option == &option_table[LISTEN_ACCEPT_PROXY] ? "trusted_proxies = 10.0.0.0/8\n" : "",
             option == &option_table[LISTEN_STARTTLS] ? "sni_map = names.map\n" : "",
             option->section == SECTION_HEALTH ? health_needs(option) : "",
             option->section == SECTION_LISTEN && !is_bind ? "bind = 127.0.0.1:0\n" : "",
             option->section == SECTION_POOL && !is_server ? "server = 127.0.0.1:9\n" : "",
             option->section == SECTION_LISTEN && !is_server && !is_pool ? "pool = other\n" : "",
             option->section == SECTION_ROUTE && !is_listen ? "listen = web\n" : "",
             option->section == SECTION_ROUTE && !is_pool ? "pool = other\n" : "");
    strcat(text, "[listen web]\nbind = 127.0.0.1:0\nserver = 127.0.0.1:9\n"
                 "[pool other]\nserver = 127.0.0.1:9\n"
                 "[listen other]\nbind = 127.0.0.1:0\npool = other\n");
    if (option->section == SECTION_HEALTH)
        strcat(text, "[pool checked]\nserver = 127.0.0.1:9\nhealth = row\n"
                     "[listen third]\nbind = 127.0.0.1:0\npool = checked\n");
    if (option->section == SECTION_POOL)
        strcat(text, "[listen third]\nbind = 127.0.0.1:0\npool = row\n");
    write_file("names.map", "a.example.com other\n");
    write_file("culvert.ini", text);
    *line = 2;
}

static const char *good_value(const struct option *option)
{
    static char word[64];
    size_t length;

    if (option->words != NULL) {
        const char *first = word_at(option->words, 0, &length);

        snprintf(word, sizeof(word), "%.*s", (int)length, first);
        return word;
    }
    if (option->fallback != NULL)
        return option->fallback;
    if (option == &option_table[HEALTH_HOST])
        return option->example; /* goes into a line of a request */
    switch (option->type) {
    case VALUE_BOOL:
        return "yes";
    case VALUE_INT:
        return "1";
    case VALUE_DURATION:
        return "5s";
    case VALUE_SIZE:
        return "64k";
    case VALUE_PERCENT:
        return "5%";
    case VALUE_MODE:
        return "0600";
    case VALUE_STRING:
        return strstr(option->key, "group") != NULL || strcmp(option->key, "user") == 0
                   ? "root"
                   : "some text";
    case VALUE_PATH:
        return "/tmp/x";
    case VALUE_GLOB:
        return "none-*.ini";
    case VALUE_ENUM:
        return "";
    case VALUE_ADDR:
        return "127.0.0.1:0";
    case VALUE_IP:
        return "10.0.0.1 ::1";
    case VALUE_SERVER:
        return "one 127.0.0.1:8 weight=2, 127.0.0.1:9 backup";
    case VALUE_PREFIX:
        return "10.0.0.0/8 192.168.0.0/16";
    case VALUE_REF:
        return option->refers_to == SECTION_LISTEN ? "web" : "other";
    case VALUE_SNI_MAP:
        return "names.map";
    case VALUE_SNI:
        return "api.example.com *.api.example.com -";
    case VALUE_ALPN:
        return "h2 http/1.1";
    case VALUE_SAN:
        return "dns:*.example.com uri:spiffe://example.com/a ip:10.0.0.1 cn:me";
    case VALUE_BYTES:
        return "\"a\\x00\\r\\n\"";
    case VALUE_RANGE:
        return "200-299";
    case VALUE_RATE:
        return "1/s";
    }
    return "";
}

static const char *bad_value(const struct option *option)
{
    switch (option->type) {
    case VALUE_BOOL:
        return "2";
    case VALUE_INT:
        return "99999999999999999999";
    case VALUE_DURATION:
        return "5";
    case VALUE_SIZE:
        return "64kb";
    case VALUE_PERCENT:
        return "101%";
    case VALUE_MODE:
        return "0999";
    case VALUE_STRING:
        return "\"a\\nb\"";
    case VALUE_PATH:
        return "\"\"";
    case VALUE_GLOB:
        return "/no/such/file.ini";
    case VALUE_ENUM:
        return "nonsense";
    case VALUE_ADDR:
        return "127.0.0.1:99999";
    case VALUE_IP:
        return "127.0.0.1:80";
    case VALUE_SERVER:
        return "127.0.0.1:0";
    case VALUE_PREFIX:
        return "10.0.0.1/8";
    case VALUE_REF:
        return "nobody";
    case VALUE_SNI_MAP:
        return "/no/such/file.map";
    case VALUE_SNI:
        return "*.*.example.com";
    case VALUE_ALPN:
        return "\"\"";
    case VALUE_SAN:
        return "www.example.com";
    case VALUE_BYTES:
        return "${CULVERT_TEST_IS_NOT_SET}";
    case VALUE_RANGE:
        return "399-200";
    case VALUE_RATE:
        return "100";
    }
    return "";
}

static void load_row(const struct option *option, const char *value, bool is_good)
{
    unsigned line;
    char place[64];

    write_row(option, value, &line);
    struct config *config = load_file("culvert.ini");
    char *messages = messages_of(config);
    if (config_is_valid(config) != is_good)
        fail_msg("%s.%s = %s\n%s", section_table[option->section].word, option->key, value,
                 messages);
    snprintf(place, sizeof(place), "culvert.ini:%u:%zu: error: ", line, strlen(option->key) + 4);
    if (!is_good && strstr(messages, place) == NULL)
        fail_msg("wanted %s\ngot %s", place, messages);
    free(messages);
    config_destroy(config);
}

static void test_every_default_parses(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &option_table[i];

        if (!option->is_later && option->fallback != NULL)
            load_row(option, option->fallback, true);
    }
}

static void test_every_row_takes_a_good_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!option_table[i].is_later)
            load_row(&option_table[i], good_value(&option_table[i]), true);
    }
}

static void test_every_row_rejects_a_bad_value_at_its_column(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!option_table[i].is_later)
            load_row(&option_table[i], bad_value(&option_table[i]), false);
    }
}

static void test_every_choice_of_an_enum_is_accepted_and_later_ones_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &option_table[i];
        size_t length;
        const char *word;
        char copy[64];

        if (option->type != VALUE_ENUM || option->is_later || option->section == SECTION_ROUTE)
            continue;
        for (unsigned k = 0; (word = word_at(option->words, k, &length)) != NULL; k++) {
            snprintf(copy, sizeof(copy), "%.*s", (int)length, word);
            load_row(option, copy, true);
        }
        for (unsigned k = 0; (word = word_at(option->later_words, k, &length)) != NULL; k++) {
            snprintf(copy, sizeof(copy), "%.*s", (int)length, word);
            load_row(option, copy, false);
        }
    }
}

static void test_later_rows_accept_only_nothing(void **state)
{
    static const char *const nothing[] = {"off", "no", "none", "0", ""};

    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &option_table[i];
        unsigned line;
        char wanted[128];

        if (!option->is_later)
            continue;
        for (size_t k = 0; k < ARRAY_LENGTH(nothing); k++)
            load_row(option, nothing[k], true);
        write_row(option, "something", &line);
        snprintf(wanted, sizeof(wanted),
                 "culvert.ini:2:1: error: '%s' is not available in this version", option->key);
        expect_in_file("culvert.ini", wanted);
    }
}

static void test_rows_stand_together_by_section_and_have_their_help(void **state)
{
    size_t total = 0;

    (void)state;
    for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
        enum option_id first;
        size_t count;

        section_options(kind, &first, &count);
        total += count;
        for (size_t i = 0; i < count; i++) {
            const struct option *option = &option_table[first + i];

            assert_int_equal(option->section, kind);
            assert_ptr_equal(option_find(kind, option->key), option);
            assert_int_equal(option_id_of(option), first + i);
            if (option->is_later)
                continue;
            assert_non_null(option->help);
            assert_true(option->fallback == NULL || option->fallback_note == NULL);
            assert_true(!option->is_required || option->example != NULL);
        }
    }
    assert_int_equal(total, OPTION_COUNT);
}

static void test_words_of_a_list(void **state)
{
    size_t length;

    (void)state;
    assert_int_equal(word_index("one two three", "two"), 1);
    assert_int_equal(word_index("one two three", "tw"), -1);
    assert_int_equal(word_index("one two three", "three"), 2);
    assert_int_equal(word_index(NULL, "x"), -1);
    assert_int_equal(word_index("one", ""), -1);
    assert_null(word_at("one two", 2, &length));
    assert_memory_equal(word_at("one two", 1, &length), "two", 3);
    assert_int_equal(length, 3);
}

static void test_keys_of_defaults(void **state)
{
    (void)state;
    assert_true(option_is_default("idle_timeout"));
    assert_true(option_is_default("balance"));
    assert_false(option_is_default("bind"));
    assert_false(option_is_default("nonsense"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_default_parses),
        cmocka_unit_test(test_every_row_takes_a_good_value),
        cmocka_unit_test(test_every_row_rejects_a_bad_value_at_its_column),
        cmocka_unit_test(test_every_choice_of_an_enum_is_accepted_and_later_ones_are_refused),
        cmocka_unit_test(test_later_rows_accept_only_nothing),
        cmocka_unit_test(test_rows_stand_together_by_section_and_have_their_help),
        cmocka_unit_test(test_words_of_a_list),
        cmocka_unit_test(test_keys_of_defaults),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
