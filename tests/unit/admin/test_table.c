/* SPDX-License-Identifier: Apache-2.0 */
/* test_table.c - aligned for people, TSV for programs, and no control characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/table.h"

static const struct column columns[] = {
    {"name", "NAME", COLUMN_TEXT},
    {"count", "COUNT", COLUMN_COUNT},
    {"in.bytes", "BYTES", COLUMN_BYTES},
    {"list", "LIST", COLUMN_LIST},
};

static char *print(const char *json_text, bool for_people)
{
    json_t *rows = json_loads(json_text, 0, NULL);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(rows);
    assert_non_null(out);
    table_print(out, rows, columns, ARRAY_LENGTH(columns), for_people);
    fclose(out);
    json_decref(rows);
    return text;
}

static void test_people_get_columns(void **state)
{
    char *text = print("[{\"name\":\"a\",\"count\":12345,\"in\":{\"bytes\":1500},\"list\":[\"x\","
                       "\"y\"]},{\"name\":\"longer\",\"count\":7}]",
                       true);

    assert_string_equal(text, "NAME    COUNT   BYTES  LIST\n"
                              "a       12345  1.5 kB  x, y\n"
                              "longer      7       -  -\n");
    free(text);
}

static void test_programs_get_tabs_and_plain_numbers(void **state)
{
    char *text = print("[{\"name\":\"a\",\"count\":12345,\"in\":{\"bytes\":1500},\"list\":[\"x\","
                       "\"y\"]},{\"name\":\"longer\",\"count\":7}]",
                       false);

    assert_string_equal(text, "NAME\tCOUNT\tBYTES\tLIST\n"
                              "a\t12345\t1500\tx,y\n"
                              "longer\t7\t\t\n");
    free(text);
}

static void test_an_empty_table_has_its_title(void **state)
{
    char *text = print("[]", true);

    assert_string_equal(text, "NAME  COUNT  BYTES  LIST\n");
    free(text);
}

static void test_control_characters_do_not_get_out(void **state)
{
    char *text = print("[{\"name\":\"a\\u001b[2J\\t\\n\\u007f\",\"list\":[\"\\u0007\"]}]", false);

    assert_string_equal(text, "NAME\tCOUNT\tBYTES\tLIST\na?[2J???\t\t\t?\n");
    free(text);
}

static void assert_cell(double number, enum column_kind kind, const char *expected)
{
    json_t *value = json_real(number);
    char buffer[64];

    assert_string_equal(table_cell(value, kind, true, buffer, sizeof(buffer)), expected);
    json_decref(value);
}

static void test_bytes_and_seconds_have_units(void **state)
{
    assert_cell(0, COLUMN_BYTES, "0 B");
    assert_cell(999, COLUMN_BYTES, "999 B");
    assert_cell(1000, COLUMN_BYTES, "1.0 kB");
    assert_cell(12345678, COLUMN_BYTES, "12 MB");
    assert_cell(999600, COLUMN_BYTES, "1.0 MB");
    assert_cell(0.0004, COLUMN_SECONDS, "400 us");
    assert_cell(0.25, COLUMN_SECONDS, "250 ms");
    assert_cell(2.5, COLUMN_SECONDS, "2.5 s");
    assert_cell(200, COLUMN_SECONDS, "3 m 20 s");
    assert_cell(7260, COLUMN_SECONDS, "2 h 1 m");
    assert_cell(90000, COLUMN_SECONDS, "1 d 1 h");
}

static void test_a_tally_shows_what_was_counted(void **state)
{
    json_t *tally =
        json_loads("{\"ok\": 7, \"refused\": 0, \"time\\nout\": 2, \"odd\": null}", 0, NULL);
    char buffer[64];

    (void)state;
    assert_non_null(tally);
    assert_string_equal(table_cell(tally, COLUMN_TALLY, true, buffer, sizeof(buffer)),
                        "ok=7, time?out=2");
    assert_string_equal(table_cell(tally, COLUMN_TALLY, false, buffer, sizeof(buffer)),
                        "ok=7,time?out=2");
    json_object_clear(tally);
    assert_string_equal(table_cell(tally, COLUMN_TALLY, true, buffer, sizeof(buffer)), "-");
    assert_string_equal(table_cell(NULL, COLUMN_TALLY, false, buffer, sizeof(buffer)), "");
    json_decref(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_people_get_columns),
        cmocka_unit_test(test_programs_get_tabs_and_plain_numbers),
        cmocka_unit_test(test_an_empty_table_has_its_title),
        cmocka_unit_test(test_control_characters_do_not_get_out),
        cmocka_unit_test(test_bytes_and_seconds_have_units),
        cmocka_unit_test(test_a_tally_shows_what_was_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
