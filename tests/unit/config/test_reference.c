/* SPDX-License-Identifier: Apache-2.0 */
/* test_reference.c - the generated page has every key, and whole tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "config/config.h"
#include "config/option_table.h"

static char *page;

static int set_up(void **state)
{
    size_t size = 0;
    FILE *out = open_memstream(&page, &size);

    (void)state;
    if (out == NULL)
        return -1;
    config_print_reference(out);
    return fclose(out);
}

static int tear_down(void **state)
{
    (void)state;
    free(page);
    return 0;
}

static void test_every_key_stands_in_its_section(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &option_table[i];
        char heading[64];
        char form[32];
        char cell[64];

        snprintf(heading, sizeof(heading), "\n### `%s`\n",
                 section_form(option->section, form, sizeof(form)));
        const char *section = strstr(page, heading);
        assert_non_null(section);
        const char *end = strstr(section + 1, "\n##");
        snprintf(cell, sizeof(cell), option->is_later ? "`%s`" : "\n| `%s` | ", option->key);
        const char *found = strstr(section, cell);
        if (found == NULL || (end != NULL && found > end))
            fail_msg("%s %s", form, option->key);
    }
}

static void test_rows_have_six_cells(void **state)
{
    bool is_table = false;

    (void)state;
    for (const char *line = page; *line != '\0'; line = strchr(line, '\n') + 1) {
        size_t length = strcspn(line, "\n");
        size_t bars = 0;

        for (size_t i = 0; i < length; i++)
            bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
        is_table = strncmp(line, "| Key |", 7) == 0 || (is_table && line[0] == '|');
        if (is_table)
            assert_int_equal(bars, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_stands_in_its_section),
        cmocka_unit_test(test_rows_have_six_cells),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
