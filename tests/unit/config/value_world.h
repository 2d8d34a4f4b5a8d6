/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_world.h - single values, parsed as those of an option.
 */
#ifndef CULVERT_TESTS_CONFIG_VALUE_WORLD_H
#define CULVERT_TESTS_CONFIG_VALUE_WORLD_H

#include "config/fixture.h"
#include "config/value.h"

static struct source_files files;

/* Parses `raw` as the option; the first error's text, or NULL when there is none. */
static inline char *parse(enum option_id id, const char *raw, struct setting *setting)
{
    static char error[512];
    struct origin origin = {.file = files.files[0], .line = 1, .column = 1};
    struct diagnostics diagnostics = {0};
    struct value_text text;

    bool is_good = value_text_read(&text, raw, &origin, &diagnostics) &&
                   value_parse(&option_table[id], &text, &origin, &files, setting, &diagnostics);
    value_text_release(&text);
    assert_int_equal(is_good, diagnostics.count == 0);
    if (!is_good)
        snprintf(error, sizeof(error), "%u %s", diagnostics.list[0].origin.column,
                 diagnostics.list[0].text);
    diagnostics_release(&diagnostics);
    return is_good ? NULL : error;
}

static inline void expect_number(enum option_id id, const char *raw, int64_t number)
{
    struct setting setting = {0};
    char *error = parse(id, raw, &setting);

    if (error != NULL)
        fail_msg("%s: %s", raw, error);
    assert_int_equal(setting.count, 1);
    if (setting.items[0].number != number)
        fail_msg("%s is %lld", raw, (long long)setting.items[0].number);
    setting_clear(&setting);
}

static inline void expect_refused(enum option_id id, const char *raw, const char *why)
{
    struct setting setting = {0};
    char *error = parse(id, raw, &setting);

    if (error == NULL)
        fail_msg("%s is accepted", raw);
    if (strstr(error, why) == NULL)
        fail_msg("%s: %s", raw, error);
    setting_clear(&setting);
}

static inline int value_set_up(void **state)
{
    return fixture_set_up(state) != 0 || source_file_from_text(&files, "culvert.ini", "") == NULL;
}

static inline int value_tear_down(void **state)
{
    source_files_release(&files);
    return fixture_tear_down(state);
}

#endif
