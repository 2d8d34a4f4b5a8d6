/* SPDX-License-Identifier: Apache-2.0 */
/* test_sni_table.c - names and wildcards are found, and nothing else is; many names are no matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <stdlib.h>

#include "route/sni_table.h"

static struct pool *pool_number(uintptr_t number)
{
    return (struct pool *)(number * 8 + 8); /* never looked into */
}

static void put(struct sni_table *table, const char *pattern, uintptr_t number)
{
    struct sni_entry *entry = sni_table_at(table, pattern);

    assert_non_null(entry);
    assert_null(entry->pool);
    entry->pool = pool_number(number);
}

static void expect(const struct sni_entry *entry, uintptr_t number)
{
    assert_non_null(entry);
    assert_ptr_equal(entry->pool, pool_number(number));
}

static void test_a_name_is_found_in_lower_case_however_it_was_put(void **state)
{
    struct sni_table *table = sni_table_create();

    (void)state;
    assert_null(sni_table_find(table, "a.example.com"));
    put(table, "A.Example.COM.", 1);
    expect(sni_table_find(table, "a.example.com"), 1);
    expect(sni_table_at(table, "a.EXAMPLE.com"), 1);
    assert_null(sni_table_find(table, "a.example.co"));
    assert_null(sni_table_find(table, "a.example.comm"));
    assert_null(sni_table_find(table, ".example.com"));
    assert_null(sni_table_find(table, ""));
    assert_int_equal(sni_table_count(table), 1);
    sni_table_destroy(table);
}

static void test_a_wildcard_stands_for_one_label_and_is_no_name(void **state)
{
    struct sni_table *table = sni_table_create();

    (void)state;
    put(table, "*.example.com", 1);
    put(table, "example.com", 2);
    expect(sni_table_find_wildcard(table, "a.example.com"), 1);
    expect(sni_table_find_wildcard(table, "*.example.com"), 1);
    assert_null(sni_table_find(table, "a.example.com"));
    assert_null(sni_table_find(table, "*.example.com"));
    assert_null(sni_table_find_wildcard(table, "example.com"));
    assert_null(sni_table_find_wildcard(table, "a.b.example.com"));
    assert_null(sni_table_find_wildcard(table, ".example.com"));
    assert_null(sni_table_find_wildcard(table, "localhost"));
    assert_null(sni_table_find_wildcard(table, ""));
    expect(sni_table_find(table, "example.com"), 2);
    sni_table_destroy(table);
}

static void test_names_of_255_fit_and_longer_ones_do_not(void **state)
{
    struct sni_table *table = sni_table_create();
    char name[300];

    (void)state;
    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    put(table, name, 1);
    expect(sni_table_find(table, name), 1);
    name[255] = 'n';
    name[256] = '\0';
    assert_null(sni_table_at(table, name));
    assert_null(sni_table_find(table, name));
    assert_int_equal(sni_table_count(table), 1);
    sni_table_destroy(table);
}

static void test_a_hundred_thousand_names(void **state)
{
    enum { COUNT = 100000 };
    struct sni_table *table = sni_table_create();
    clock_t started = clock();
    char name[64];

    (void)state;
    for (uintptr_t i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), i % 10 == 0 ? "*.t%ju.example.com" : "t%ju.example.com",
                 (uintmax_t)i);
        put(table, name, i);
    }
    for (uintptr_t i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), i % 10 == 0 ? "www.t%ju.example.com" : "t%ju.example.com",
                 (uintmax_t)i);
        if (i % 10 == 0)
            expect(sni_table_find_wildcard(table, name), i);
        else
            expect(sni_table_find(table, name), i);
        snprintf(name, sizeof(name), "u%ju.example.com", (uintmax_t)i);
        assert_null(sni_table_find(table, name));
        assert_null(sni_table_find_wildcard(table, name));
    }
    assert_int_equal(sni_table_count(table), COUNT);
    /* Some tens of milliseconds of the processor's time; the bound is for sanitizers. */
    assert_true((clock() - started) / CLOCKS_PER_SEC < 5);
    sni_table_destroy(table);
}

static void test_entries_can_be_gone_through(void **state)
{
    struct sni_table *table = sni_table_create();
    char name[16];
    uintptr_t sum = 0;

    (void)state;
    for (uintptr_t i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "n%ju", (uintmax_t)i);
        put(table, name, i);
    }
    for (size_t i = 0; i < sni_table_count(table); i++)
        sum += ((uintptr_t)sni_table_entry(table, i)->pool - 8) / 8;
    assert_int_equal(sum, 999 * 1000 / 2);
    sni_table_destroy(table);
    sni_table_destroy(NULL);
}

static void test_what_is_wrong_with_a_pattern(void **state)
{
    static const char *const right[] = {
        "-",        "a",         "api.example.com",       "API.Example.com.",
        "*.a.b",    "*.example", "xn--bcher-kva.example", "_x._tcp.a",
        "192.0.2.1"};
    static const struct {
        const char *pattern;
        const char *fault;
    } wrong[] = {
        {"", "write a name"},
        {"*", "asterisk"},
        {"*.", "write a name"},
        {"*a.example.com", "asterisk"},
        {"a.*.com", "asterisk"},
        {"**.com", "asterisk"},
        {"*.*.com", "asterisk"},
        {"a..b", "empty"},
        {".a", "empty"},
        {"a..", "empty"},
        {".", "empty"},
        {"a b", "letters"},
        {"https://a", "letters"},
        {"a:443", "letters"},
        {"b\xc3\xbc.example", "letters"},
        {"--", NULL},
        {"a/b", "letters"},
    };
    char name[300];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(right); i++)
        assert_null(sni_pattern_fault(right[i]));
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        const char *fault = sni_pattern_fault(wrong[i].pattern);

        if (wrong[i].fault == NULL) {
            assert_null(fault);
            continue;
        }
        if (fault == NULL || strstr(fault, wrong[i].fault) == NULL)
            fail_msg("'%s': %s", wrong[i].pattern, fault == NULL ? "right" : fault);
    }
    memset(name, 'n', sizeof(name));
    name[64] = '\0';
    assert_non_null(strstr(sni_pattern_fault(name), "63"));
    name[63] = '\0';
    assert_null(sni_pattern_fault(name));
    for (size_t i = 0; i < 256; i += 2)
        memcpy(name + i, "n.", 2);
    name[256] = '\0';
    assert_non_null(strstr(sni_pattern_fault(name), "255"));
    name[255] = '\0';
    assert_null(sni_pattern_fault(name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_is_found_in_lower_case_however_it_was_put),
        cmocka_unit_test(test_a_wildcard_stands_for_one_label_and_is_no_name),
        cmocka_unit_test(test_names_of_255_fit_and_longer_ones_do_not),
        cmocka_unit_test(test_a_hundred_thousand_names),
        cmocka_unit_test(test_entries_can_be_gone_through),
        cmocka_unit_test(test_what_is_wrong_with_a_pattern),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
