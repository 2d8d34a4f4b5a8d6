/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_value.c - any bytes as the value of any key: the first two choose the key.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"
#include "config/value_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_items(const struct option *option, const struct setting *setting)
{
    for (size_t i = 0; i < setting->count; i++) {
        const struct item *item = &setting->items[i];

        if (item->text == NULL)
            abort();
        if (item->number < 0)
            abort();
        if (option->type == VALUE_DURATION && item->number > VALUE_DURATION_MAX)
            abort();
        if (option->type == VALUE_SERVER &&
            (item->endpoint == NULL || item->endpoint->name == NULL))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct source_files files;
    struct diagnostics diagnostics = {0};
    struct setting setting = {0};
    struct value_text text;

    if (size < 2)
        return 0;
    if (files.count == 0)
        source_file_from_text(&files, "fuzz.ini", "");
    struct origin origin = {.file = files.files[0], .line = 1, .column = 1};
    const struct option *option = &option_table[(bytes[0] * 256 + bytes[1]) % OPTION_COUNT];
    char *raw = calloc(1, size);
    if (raw == NULL)
        return 0;
    memcpy(raw, bytes + 2, size - 2);
    /* Lists of prefixes may name files, which is not what is tested here. */
    if (option->type != VALUE_PREFIX || strchr(raw, '@') == NULL) {
        bool is_good = value_text_read(&text, raw, &origin, &diagnostics);

        if (is_good) {
            (void)value_is_nothing(&text);
            is_good = value_parse(option, &text, &origin, &files, &setting, &diagnostics);
            check_items(option, &setting);
        }
        if (is_good == (diagnostics.errors > 0))
            abort();
        value_text_release(&text);
    }
    setting_clear(&setting);
    diagnostics_release(&diagnostics);
    free(raw);
    return 0;
}
