/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_balance.c - checks of `balance` and the keys that belong to it.
 */
#include "config/validate_balance.h"

#include "pool/maglev.h"

static void check_size(const struct section *section, struct diagnostics *diagnostics)
{
    const struct setting *setting = section_value(section, POOL_MAGLEV_SIZE);
    unsigned size;

    if (setting->count == 0)
        return;
    size = (unsigned)setting->items[0].number;
    if (!maglev_is_prime(size))
        diagnostics_error(diagnostics, TOPIC_VALUE, &setting->items[0].origin,
                          "'%u' must be a prime; the next one is %u", size,
                          maglev_next_prime(size));
}

/* A key of the section itself that would be without effect. */
static void check_use(const struct section *section, enum option_id option,
                      struct diagnostics *diagnostics)
{
    const struct setting *setting = section_value(section, option);
    char where[SECTION_TEXT_BYTES];

    if (setting->count > 0)
        diagnostics_warning(diagnostics, TOPIC_UNUSED, &setting->items[0].origin,
                            "'%s' counts only with 'balance = maglev', which %s has not",
                            option_table[option].key, section_text(section, where, sizeof(where)));
}

static bool is_maglev(const struct settings *settings, const struct section *section)
{
    return settings_word(settings, section, POOL_BALANCE) ==
           word_index(option_table[POOL_BALANCE].words, "maglev");
}

void validate_balance(const struct settings *settings, struct diagnostics *diagnostics)
{
    const struct section *section = settings_first(settings, SECTION_POOL);
    const struct section *defaults = settings_find(settings, SECTION_DEFAULTS, "");

    if (defaults != NULL)
        check_size(defaults, diagnostics);
    for (; section != NULL; section = section_next(section)) {
        check_size(section, diagnostics);
        if (is_maglev(settings, section))
            continue;
        check_use(section, POOL_HASH_KEY, diagnostics);
        check_use(section, POOL_MAGLEV_SIZE, diagnostics);
    }
}
